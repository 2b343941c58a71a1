/** Deleting through a collector: tags and repositories of genuine registries, by its own rights there, for users that the policy lets delete. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const PASSWORD = 'correct horse'

interface Deletion {
  readonly deleted: readonly {readonly tag: string; readonly siblings: readonly string[]}[]
  readonly failures: readonly {readonly tag: string; readonly error: {readonly code: string; readonly message: string}}[]
}

describe('deleting through a collector', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  const [one, two] = [createImage([createLayer('app', 'one')]), createImage([createLayer('app', 'two')])]
  let directory: string
  let owner: Holdfast
  let collector: ServedCollector
  /** The content of both, to every client. */
  let open: DockerRegistry
  const machines = new Map<string, Holdfast>()

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('collector-deletion')
    afterwards(temporary.remove)
    directory = temporary.path
    owner = await createHoldfast(directory)
    for (const group of ['ops', 'everybody']) await command(owner, ['group', 'add', group])
    const add = (name: string, ...more: readonly string[]) => command(owner, ['user', 'add', name, '--password-stdin', ...more], PASSWORD)
    await add('root', '--administrator')
    await add('mia', '--group', 'ops', '--privilege', 'Manager')
    await add('ann', '--group', 'everybody', '--privilege', 'Pusher,Puller')
    await add('bob', '--group', 'everybody', '--privilege', 'Pusher,Puller')
    await add('gone', '--group', 'everybody', '--privilege', 'Pusher,Puller')
    collector = await serveCollector(owner)
    afterwards(async () => assert.equal(await collector.stop(), 0, 'serve did not stop in order'))
    const bundle = join(directory, 'authority.pem')
    await writeFile(bundle, ((await command(owner, ['collector', 'keys', 'export'])) as {authority: string}).authority)
    open = await startDockerRegistry()
    afterwards(open.stop)
    const grants = ['--responsible', 'ops', '--publication', 'everybody', '--no-restricted']
    for (const [name, deletes] of [
      ['genuine', true],
      ['frozen', false],
    ] as const) {
      const token = {realm: `${collector.url}/token`, service: name, issuer: 'holdfast', rootCertBundle: bundle}
      const registry = await startDockerRegistry({root: open.root, delete: deletes, token})
      afterwards(registry.stop)
      await command(owner, ['registry', 'manage', name, '--url', registry.url, '--service', name, ...grants])
    }
    await command(owner, ['registry', 'manage', 'embedded', ...grants])
  })

  /** A machine elsewhere, on which a user asks the collector. */
  async function machineOf(user: string): Promise<Holdfast> {
    const variable = `HOLDFAST_AUTH_${collector.host.replaceAll(/[.:]/g, '_')}`
    const known = machines.get(user)
    if (known !== undefined) return known
    const machine = await createHoldfast(join(directory, user), {
      HOLDFAST_COLLECTOR: collector.url,
      [`${variable}_USERNAME`]: user,
      [`${variable}_PASSWORD`]: PASSWORD,
    })
    machines.set(user, machine)
    return machine
  }

  /** A command whose result is held against its schema. */
  async function run(user: string, name: string, args: readonly string[] = []): Promise<unknown> {
    const result = await command(await machineOf(user), [...name.split(' '), ...args])
    assert.ok(ajv.validate(`${name.replaceAll(' ', '-')}.schema.json`, result), `${name}: ${ajv.errorsText()}: ${JSON.stringify(result)}`)
    return result
  }

  async function fail(user: string, args: readonly string[]): Promise<readonly [string | undefined, number | null]> {
    const {envelope, exitCode} = await (await machineOf(user)).json(args)
    return [envelope.error?.code, exitCode]
  }

  async function remove(user: string, path: string, body: object): Promise<{readonly status: number; readonly body: Deletion}> {
    const authorization = `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}`
    const headers = {authorization, 'content-type': 'application/json'}
    const response = await fetch(`${collector.url}/api/v1/registries/${path}`, {method: 'DELETE', headers, body: JSON.stringify(body)})
    return {status: response.status, body: (await response.json()) as Deletion}
  }

  async function push(repository: string, tags: Readonly<Record<string, typeof one>>): Promise<void> {
    for (const [tag, image] of Object.entries(tags)) await pushImage(open.url, repository, tag, image)
    await command(owner, ['registry', 'discover', 'genuine'])
  }

  const isThere = async (repository: string, tag: string): Promise<boolean> =>
    (await fetchManifest(open.url, repository, tag)) !== undefined
  const tagsOf = async (user: string, repository: string, registry = 'genuine'): Promise<readonly string[]> =>
    ((await run(user, 'repository show', [`${registry}/${repository}`])) as {tags: {tag: string}[]}).tags.map(({tag}) => tag)
  const deletionsSeenBy = async (user: string, repository: string) =>
    (
      (await run(user, 'events', ['--repository', repository, '--action', 'delete'])) as {events: {actor: string; tag: string}[]}
    ).events.map(({actor, tag}) => `${actor} ${tag}`)

  it('lets a manager list and delete below the namespaces of other users, who see it in their events, and pull nothing there', async () => {
    await push('users/bob/web', {v1: one, v2: two})
    assert.deepEqual([...(await tagsOf('mia', 'users/bob/web'))].sort(), ['v1', 'v2'])
    const {tags} = (await run('mia', 'repository show', ['genuine/users/bob/web', '--sizes'])) as {tags: {sizeBytes: number}[]}
    for (const {sizeBytes} of tags) assert.ok(sizeBytes > 0)
    const {repositories} = (await run('mia', 'repository list', ['genuine'])) as {repositories: {name: string}[]}
    assert.ok(repositories.some(({name}) => name === 'users/bob/web'))
    assert.partialDeepStrictEqual(await run('mia', 'explain', ['mia', 'genuine/users/bob/web']), {
      decisions: [
        {action: 'pull', granted: false, rule: 'U2'},
        {action: 'push', granted: false, rule: 'U2'},
        {action: 'delete', granted: true, rule: 'D1'},
      ],
    })
    const {status, body} = await remove('mia', 'genuine/repository/tags', {repository: 'users/bob/web', tags: ['v1', 'v9']})
    assert.equal(status, 200)
    assert.partialDeepStrictEqual(body, {deleted: [{tag: 'v1'}], failures: [{tag: 'v9', error: {code: 'MANIFEST_NOT_FOUND'}}]})
    assert.deepEqual([await isThere('users/bob/web', 'v1'), await isThere('users/bob/web', 'v2')], [false, true])
    assert.deepEqual(await tagsOf('bob', 'users/bob/web'), ['v2'])
    assert.deepEqual(await deletionsSeenBy('bob', 'users/bob/web'), ['mia v1'])
    assert.deepEqual(await deletionsSeenBy('mia', 'users/bob/web'), ['mia v1'])
    assert.deepEqual(await deletionsSeenBy('ann', 'users/bob/web'), [])
    const {entries} = (await command(owner, ['collector', 'audit', '--principal', 'mia'])) as {
      entries: {action: string; object: string; outcome: string; rule: string}[]
    }
    assert.ok(
      entries.some(
        ({action, object, outcome, rule}) =>
          `${action} ${object} ${outcome} ${rule}` === 'tag.delete genuine repository:users/bob/web:v1:delete granted D1',
      ),
    )
  })

  it('lets owners delete their own, administrators everything, and tells strangers nothing', async () => {
    await push('users/ann/tool', {v1: one, v2: two})
    await push('base', {v1: one})
    assert.deepEqual(await fail('bob', ['tag', 'delete', 'genuine/users/ann/tool:v1', '--by-collector']), ['OBJECT_NOT_FOUND', 3])
    assert.deepEqual(await fail('bob', ['repository', 'delete', 'genuine/users/ann/tool', '--yes']), ['OBJECT_NOT_FOUND', 3])
    assert.deepEqual(await fail('bob', ['tag', 'delete', 'genuine/base:v1', '--by-collector']), ['DENIED', 5])
    assert.deepEqual(await fail('bob', ['tag', 'delete', 'base:v1', '--by-collector']), ['USAGE', 2])
    assert.deepEqual(await fail('bob', ['tag', 'delete', 'unknown/base:v1', '--by-collector']), ['OBJECT_NOT_FOUND', 3])
    assert.ok((await isThere('users/ann/tool', 'v1')) && (await isThere('base', 'v1')))
    assert.partialDeepStrictEqual(await run('ann', 'tag delete', ['genuine/users/ann/tool:v1', '--by-collector']), {
      deleted: [{reference: 'genuine/users/ann/tool:v1'}],
    })
    assert.partialDeepStrictEqual(await run('root', 'tag delete', ['genuine/users/ann/tool:v2', 'genuine/base:v1', '--by-collector']), {
      deleted: [{reference: 'genuine/users/ann/tool:v2'}, {reference: 'genuine/base:v1'}],
    })
    assert.ok(!(await isThere('users/ann/tool', 'v1')) && !(await isThere('base', 'v1')))
    assert.deepEqual(await deletionsSeenBy('ann', 'users/ann/tool'), ['ann v1', 'root v2'])
  })

  it('shows what names the same image, and leaves it', async () => {
    await push('users/bob/same', {v1: one, v2: one, v3: two})
    const preview = (await run('bob', 'tag delete', ['genuine/users/bob/same:v1', '--by-collector', '--dry-run'])) as Deletion
    assert.deepEqual(preview.deleted[0]?.siblings, ['v2'])
    assert.ok(await isThere('users/bob/same', 'v1'))
    assert.partialDeepStrictEqual(await run('bob', 'tag delete', ['genuine/users/bob/same:v1', '--by-collector']), {
      deleted: [{manifestDeleted: false, siblings: []}],
    })
    assert.deepEqual([await isThere('users/bob/same', 'v1'), await isThere('users/bob/same', 'v2')], [false, true])
  })

  it('deletes repositories, several at once, also below the namespace of a user who was removed, and does not learn of them again', async () => {
    await push('users/gone/a', {v1: one, v2: one})
    const platform = createImage([createLayer('app', 'arm64')], {architecture: 'arm64'})
    await push('users/gone/b', {v1: createIndex({'linux/amd64': two, 'linux/arm64': platform})})
    await command(owner, ['user', 'remove', 'gone', '--yes'])
    const names = ['users/gone/a', 'users/gone/b']
    const full = names.map((name) => `genuine/${name}`)
    assert.deepEqual(await fail('mia', ['repository', 'delete', ...full, 'genuine/users/bob/web:v1', '--yes']), ['USAGE', 2])
    assert.deepEqual(await fail('mia', ['repository', 'delete', ...full, 'frozen/users/bob/kept', '--yes']), ['USAGE', 2])
    assert.deepEqual(await fail('mia', ['repository', 'delete', ...full]), ['INPUT_REQUIRED', 2])
    assert.partialDeepStrictEqual(await run('mia', 'repository delete', [...full, '--dry-run']), {
      isDryRun: true,
      deleted: [
        {repository: 'users/gone/a', tags: ['v1', 'v2']},
        {repository: 'users/gone/b', tags: ['v1']},
      ],
    })
    assert.ok(await isThere('users/gone/a', 'v1'))
    assert.partialDeepStrictEqual(await run('mia', 'repository delete', [...full, '--yes']), {failures: []})
    for (const tag of ['v1', 'v2']) assert.ok(!(await isThere('users/gone/a', tag)))
    for (const {digest} of [two, platform]) assert.ok(!(await isThere('users/gone/b', digest)), 'the manifest of a platform is left')
    await command(owner, ['registry', 'discover', 'genuine'])
    assert.deepEqual(await fail('mia', ['repository', 'show', 'genuine/users/gone/a']), ['OBJECT_NOT_FOUND', 3])
  })

  it('keeps what a registry refuses to delete, and says why', async () => {
    await pushImage(open.url, 'users/bob/kept', 'v1', one)
    await command(owner, ['registry', 'discover', 'frozen'])
    const {status, body} = await remove('bob', 'frozen/repository/tags', {repository: 'users/bob/kept', tags: ['v1']})
    assert.deepEqual([status, body.deleted, body.failures[0]?.error.code], [200, [], 'UNSUPPORTED'])
    assert.match(body.failures[0]?.error.message ?? '', /deleting is switched off/)
    assert.deepEqual(await fail('bob', ['repository', 'delete', 'frozen/users/bob/kept', '--yes']), ['UNSUPPORTED', 5])
    assert.deepEqual(await tagsOf('bob', 'users/bob/kept', 'frozen'), ['v1'])
    assert.deepEqual(await deletionsSeenBy('bob', 'users/bob/kept'), [])
    assert.ok(await isThere('users/bob/kept', 'v1'))
  })

  it('deletes in the embedded registry where its images lie', async () => {
    const authorization = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`
    const scope = 'repository:users/ann/web:pull,push'
    const answer = await fetch(`${collector.url}/token?service=embedded&scope=${scope}`, {headers: {authorization}})
    const {token} = (await answer.json()) as {token: string}
    const bearer = {authorization: `Bearer ${token}`}
    for (const {digest, bytes} of one.blobs) {
      const opened = await fetch(`${collector.url}/v2/users/ann/web/blobs/uploads/`, {method: 'POST', headers: bearer})
      const location = new URL(opened.headers.get('location') ?? '', collector.url)
      location.searchParams.set('digest', digest)
      assert.equal((await fetch(location, {method: 'PUT', headers: bearer, body: new Uint8Array(bytes)})).status, 201)
    }
    const manifest = `${collector.url}/v2/users/ann/web/manifests/v1`
    const put = {method: 'PUT', headers: {...bearer, 'content-type': one.mediaType}, body: new Uint8Array(one.bytes)}
    assert.equal((await fetch(manifest, put)).status, 201)
    await command(owner, ['registry', 'discover', 'embedded'])
    assert.partialDeepStrictEqual(await run('mia', 'tag delete', ['embedded/users/ann/web:v1', '--by-collector']), {failures: []})
    assert.equal((await fetch(manifest, {headers: bearer})).status, 404)
    assert.deepEqual(await deletionsSeenBy('ann', 'users/ann/web'), ['mia v1'])
  })

  it('lets managers discover and check the registries that they are responsible for, and users change their own passwords', async () => {
    assert.partialDeepStrictEqual(await run('mia', 'registry discover', ['genuine']), {isComplete: true})
    assert.deepEqual(await fail('bob', ['registry', 'discover', 'genuine']), ['DENIED', 5])
    const authorization = `Basic ${Buffer.from(`mia:${PASSWORD}`).toString('base64')}`
    const trust = await fetch(`${collector.url}/api/v1/registries/genuine/trust`, {headers: {authorization}})
    assert.equal(trust.status, 200)
    const bob = await machineOf('bob')
    const change = (lines: string) => bob.json(['user', 'password', '--password-stdin'], {input: lines})
    assert.equal((await change('wrong\nanother horse\n')).exitCode, 5)
    assert.equal((await change('another horse\n')).exitCode, 2)
    const {exitCode, envelope} = await change(`${PASSWORD}\nanother horse\n`)
    assert.equal(exitCode, 0, JSON.stringify(envelope))
    assert.ok(ajv.validate('user-password.schema.json', envelope.result), ajv.errorsText())
    assert.deepEqual(await fail('bob', ['user', 'show', 'bob']), ['UNAUTHENTICATED', 4])
    const variable = `HOLDFAST_AUTH_${collector.host.replaceAll(/[.:]/g, '_')}_PASSWORD`
    assert.equal((await bob.json(['user', 'show', 'bob'], {env: {[variable]: 'another horse'}})).exitCode, 0)
  })
})
