/** One collector over HTTP beside genuine registries: what it learns from events and sweeps, who finds what, and the same commands from elsewhere. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readdirSync, readFileSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {type IncomingMessage, request} from 'node:http'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {parseRegistryHost} from '../../src/lib/oci/reference.ts'
import {openSqliteStore} from '../../src/lib/records/sqlite/open-store.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startDesktopSession} from '../support/keyring.ts'
import {PATIENCE_MS} from '../support/patience.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const PASSWORD = 'correct horse'
const SETTLE_MS = 50

describe('a collector', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman', 'openssl', 'gnome-keyring-daemon', 'dbus-daemon', 'dbus-send')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  const image = createImage([createLayer('app', 'some content', 5000)])
  let directory: string
  let owner: Holdfast
  let collector: ServedCollector
  let open: DockerRegistry
  let genuine: DockerRegistry

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('collector')
    afterwards(temporary.remove)
    directory = temporary.path
    owner = await createHoldfast(directory)
    for (const group of ['ops', 'everybody']) await command(owner, ['group', 'add', group])
    const add = (name: string, ...more: readonly string[]) => command(owner, ['user', 'add', name, '--password-stdin', ...more], PASSWORD)
    await add('root', '--administrator')
    await add('ann', '--group', 'ops,everybody', '--privilege', 'Manager,Pusher,Puller')
    await add('bob', '--group', 'everybody', '--privilege', 'Puller')
    collector = await serveCollector(owner)
    afterwards(async () => assert.equal(await collector.stop(), 0, 'serve did not stop in order'))
    await run('registry manage', ['embedded', '--responsible', 'ops', '--publication', 'everybody'])
    const bundle = join(directory, 'authority.pem')
    await writeFile(bundle, ((await run('collector keys export')) as {authority: string}).authority)
    open = await startDockerRegistry()
    afterwards(open.stop)
    genuine = await startDockerRegistry({
      root: open.root,
      token: {realm: `${collector.url}/token`, service: 'genuine', issuer: 'holdfast', rootCertBundle: bundle},
    })
    afterwards(genuine.stop)
  })

  /** A command of the owner, whose result is held against its schema. */
  async function run(name: string, args: readonly string[] = [], user = owner, input?: string): Promise<unknown> {
    const result = await command(user, [...name.split(' '), ...args], input)
    assert.ok(ajv.validate(`${name.replaceAll(' ', '-')}.schema.json`, result), `${name}: ${ajv.errorsText()}: ${JSON.stringify(result)}`)
    return result
  }

  async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (const end = Date.now() + PATIENCE_MS; ; ) {
      const seen = await look()
      if (seen !== undefined) return seen
      if (Date.now() > end) throw new Error('it has not happened')
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    }
  }

  interface Found {
    readonly count: number
    readonly repositories: readonly {readonly registry: string; readonly name: string; readonly pulls: number}[]
  }

  const search = async (term: string, ...more: readonly string[]) => (await run('search', [term, ...more])) as Found
  const basic = (name: string, password = PASSWORD) => ({authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`})

  it('indexes, logs and counts what happens at the embedded registry, and by whom', async () => {
    const clients = await createContainerClients(join(directory, 'ann'), {insecure: [collector.host, open.host]})
    await pushImage(open.url, 'app', 'v1', image)
    await clients.skopeo('login', '--tls-verify=false', '-u', 'ann', '-p', PASSWORD, '--authfile', clients.authFile, collector.host)
    const to = `docker://${collector.host}/users/ann/web:v1`
    const flags = ['--src-tls-verify=false', '--dest-tls-verify=false', '--authfile', clients.authFile]
    const copied = await clients.skopeo('copy', ...flags, `docker://${open.host}/app:v1`, to)
    assert.equal(copied.exitCode, 0, copied.stderr)
    assert.equal((await clients.podman('pull', '--quiet', `${collector.host}/users/ann/web:v1`)).exitCode, 0)
    await until(async () => ((await search('web')).repositories[0]?.pulls ?? 0) > 0 || undefined)
    const {events} = (await run('events', ['embedded/users/ann/web'])) as {events: {action: string; actor: string; tag: string}[]}
    assert.deepEqual(
      events.slice(0, 2).map(({action, actor, tag}) => [action, actor, tag]),
      [
        ['push', 'ann', 'v1'],
        ['pull', 'ann', 'v1'],
      ],
    )
    const {tags} = (await run('repository show', ['embedded/users/ann/web'])) as {tags: {tag: string}[]}
    assert.deepEqual(
      tags.map(({tag}) => tag),
      ['v1'],
    )
  })

  it('learns what a genuine registry has by sweeping it with tokens of its own, and forgets what is gone', async () => {
    for (const name of ['base', 'users/bob/tool', 'users/ann/private']) await pushImage(open.url, name, 'v1', image)
    await run('registry manage', [
      'genuine',
      '--url',
      genuine.url,
      '--service',
      'genuine',
      '--responsible',
      'ops',
      '--publication',
      'everybody',
    ])
    assert.partialDeepStrictEqual(await run('registry discover', ['genuine']), {isComplete: true, repositories: 4, tags: 4})
    const refused = (await genuine.accessLog()).filter(({userAgent, status}) => userAgent.startsWith('holdfast/') && status >= 400)
    // One request proves what it asks for, and the first one of a sweep asks what is wanted.
    assert.deepEqual(
      refused.map(({path, status}) => [path, status]),
      [
        ['/v2/', 401],
        ['/v2/_catalog', 401],
      ],
    )
    assert.equal((await search('tool')).count, 1)
    const deleted = await fetch(`${open.url}/v2/users/bob/tool/manifests/${image.digest}`, {method: 'DELETE'})
    assert.equal(deleted.status, 202)
    assert.partialDeepStrictEqual(await run('registry discover', ['genuine']), {isComplete: true, tags: 3, purgedTags: 1})
  })

  it('takes notifications with the registry’s own secret, each once, and answers what makes no sense', async () => {
    const {secret} = (await run('registry renew-events-secret', ['genuine'])) as {secret: string}
    const type = 'application/vnd.docker.distribution.events.v1+json'
    const event = {
      id: 'e-1',
      timestamp: '2026-11-21T12:00:00.000Z',
      action: 'push',
      target: {mediaType: image.mediaType, digest: image.digest, size: 1, repository: 'notified', tag: 'v1'},
      request: {id: 'r', addr: '192.0.2.1:1', host: 'x', method: 'PUT', useragent: '<script>'},
      actor: {name: 'ann'},
    }
    const post = async (body: string, authorization: string, registry = 'genuine', contentType = type) =>
      (await fetch(`${collector.url}/events/${registry}`, {method: 'POST', body, headers: {authorization, 'content-type': contentType}}))
        .status
    const good = JSON.stringify({events: [event]})
    for (const wrong of ['', 'Bearer x', `Bearer ${secret}x`, `Basic ${secret}`]) assert.equal(await post(good, wrong), 401)
    assert.equal(await post(good, `Bearer ${secret}`, 'embedded'), 401)
    assert.equal(await post(good, `Bearer ${secret}`, 'unknown'), 401)
    assert.equal((await search('notified')).count, 0)
    // The registry has it, so that a sweep of these minutes does not forget it again.
    await pushImage(open.url, 'notified', 'v1', image)
    for (const _ of [1, 2]) assert.equal(await post(good, `Bearer ${secret}`), 202)
    assert.equal(await post('{"events": [', `Bearer ${secret}`), 202)
    assert.equal(await post('', `Bearer ${secret}`, 'genuine', 'text/plain'), 202)
    // By its header alone: the connection ends with the answer, which a client that still sends might not read.
    const headers = {authorization: `Bearer ${secret}`, 'content-type': type, 'content-length': 2_000_000}
    const large = request(`${collector.url}/events/genuine`, {method: 'POST', headers, agent: false}).on('error', () => {})
    large.flushHeaders()
    const [refusal] = (await once(large, 'response')) as [IncomingMessage]
    assert.equal(refusal.statusCode, 413)
    large.destroy()
    const {events} = (await run('events', ['--registry', 'genuine', '--action', 'push'])) as {events: {eventId: string}[]}
    assert.deepEqual(
      events.map(({eventId}) => eventId),
      ['e-1'],
    )
    await until(async () => ((await search('notified')).count === 1 ? true : undefined))
  })

  it('answers docker’s and podman’s search with what one may pull, for a password and for a token', async () => {
    const ask = async (query: string, headers: Record<string, string>) => {
      const response = await fetch(`${collector.url}/v1/search?${query}`, {headers})
      return {status: response.status, body: (await response.json()) as {num_results: number; results: {name: string}[]}}
    }
    assert.equal((await ask('q=', {})).status, 401)
    assert.equal((await ask('q=', basic('bob', 'wrong'))).status, 401)
    assert.equal((await ask('q=&n=1000000000', basic('bob'))).status, 400)
    const tokenOf = async (user: string) => {
      const answer = await fetch(`${collector.url}/token?service=genuine&scope=registry:catalog:search`, {headers: basic(user)})
      return {authorization: `Bearer ${((await answer.json()) as {token: string}).token}`}
    }
    const names = async (headers: Record<string, string>) => (await ask('q=private&n=100', headers)).body.results.map(({name}) => name)
    assert.deepEqual([await names(await tokenOf('ann')), await names(await tokenOf('bob'))], [['users/ann/private'], []])
    // By password it is a search of the registry that has the host of the request: here the embedded one.
    assert.deepEqual(await names(basic('ann')), [])
    const token = async (scope: string) => {
      const answer = await fetch(`${collector.url}/token?service=genuine&scope=${scope}`, {headers: basic('bob')})
      return ((await answer.json()) as {token: string}).token
    }
    const found = await ask('q=base', {authorization: `Bearer ${await token('registry:catalog:search')}`})
    assert.deepEqual([found.status, found.body.num_results, found.body.results[0]?.name], [200, 1, 'base'])
    const prefixed = await ask('q=docker%3A%20base', {authorization: `Bearer ${await token('registry:catalog:search')}`})
    assert.deepEqual(prefixed.body.results, found.body.results)
    assert.equal((await ask('q=base', {authorization: `Bearer ${await token('repository:base:pull')}`})).status, 401)
    // What another process wrote is found at once: the command writes to the database of the server.
    const described = async () =>
      (await ask('q=at%20once', {authorization: `Bearer ${await token('registry:catalog:search')}`})).body.results
    assert.deepEqual(await described(), [])
    await run('repository describe', ['genuine/base', '--description', 'Seen AT ONCE', '--automated'])
    assert.partialDeepStrictEqual(await described(), [{name: 'base', is_automated: true}])
    const shown = await owner.run(['search', 'docker: at once'])
    assert.match(
      shown.stdout,
      /^REPOSITORY +STARS +PULLS +OFFICIAL +AUTOMATED +DESCRIPTION\ngenuine\/base +0 +[0-9]+ +- +yes +Seen AT ONCE$/m,
    )
    assert.equal((await fetch(`${collector.url}/v1/_ping`)).status, 200)
    const clients = await createContainerClients(join(directory, 'bob'), {insecure: [collector.host]})
    await clients.podman('login', '--tls-verify=false', '-u', 'bob', '-p', PASSWORD, '--authfile', clients.authFile, collector.host)
    // podman asks /v1/search as nobody, and then for the catalog: of that it sees what bob may pull.
    await run('registry manage', ['embedded', '--no-restricted'])
    const listed = await clients.podman('search', '--tls-verify=false', '--format', '{{.Name}}', `${collector.host}/`)
    assert.equal(listed.exitCode, 0, listed.stderr)
    assert.ok(!listed.stdout.includes('users/ann'), listed.stdout)
  })

  it('explains who may what, by rule', async () => {
    const decisions = async (...args: readonly string[]) => {
      const result = (await run('explain', args)) as {decisions: {action: string; granted: boolean; rule: string}[]}
      return result.decisions.map(({action, granted, rule}) => `${action} ${granted} ${rule}`)
    }
    assert.deepEqual(await decisions('ann', 'genuine/base'), ['pull true U9', 'push true U9', 'delete true D1'])
    assert.deepEqual(await decisions('bob', 'genuine/base:v1'), ['pull true U9', 'push false U9', 'delete false D1'])
    assert.deepEqual(await decisions('bob', 'genuine/users/ann/private', 'pull'), ['pull false U2'])
    assert.deepEqual(await decisions('bob', 'genuine/users/ann', 'pull'), ['pull false C8'])
  })

  it('is asked from elsewhere by the same commands, as far as one may', async () => {
    const folder = join(directory, 'far')
    const session = await startDesktopSession(join(folder, 's'), 'unlocked')
    afterwards(session.stop)
    const far = await createHoldfast(folder, {DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS})
    const use = (user: string, password = PASSWORD) =>
      far.json(['collector', 'use', collector.url, '--username', user, '--password-stdin'], {input: password})
    assert.equal((await use('root', 'wrong')).exitCode, 4)
    assert.equal((await use('root')).exitCode, 0)
    const records = await openSqliteStore({file: join(far.dataDirectory, 'holdfast.db')})
    afterwards(() => records.close())
    const trusted = await records.listTrustedHosts(parseRegistryHost(genuine.host))
    assert.deepEqual(trusted, [collector.host], 'the collector may have the credentials of the registries that it manages')
    assert.deepEqual(await run('user list', [], far), await run('user list'))
    await run('group add', ['far-away'], far)
    assert.partialDeepStrictEqual(await run('group show', ['far-away']), {name: 'far-away'})
    assert.partialDeepStrictEqual(await run('group add-member', ['far-away', 'bob'], far), {members: ['bob']})
    await run('group remove', ['far-away', '--yes'], far)
    const missing = await far.json(['user', 'show', 'nobody'])
    assert.deepEqual([missing.envelope.error?.code, missing.exitCode], ['OBJECT_NOT_FOUND', 3])
    const wrong = await far.json(['app', 'add', 'Not-A-Code'])
    assert.deepEqual([wrong.envelope.error?.code, wrong.exitCode], ['USAGE', 2])

    assert.equal((await use('bob')).exitCode, 0)
    const denied = await far.json(['user', 'list'])
    assert.deepEqual([denied.envelope.error?.code, denied.exitCode], ['DENIED', 5])
    assert.deepEqual(((await run('search', ['private'], far)) as Found).count, 0)
    assert.partialDeepStrictEqual(await run('repository star', ['genuine/base'], far), {stars: 1})
    assert.partialDeepStrictEqual(await run('explain', ['bob', 'genuine/base', 'pull'], far), {decisions: [{granted: true}]})
    assert.equal((await far.json(['explain', 'ann', 'genuine/base'])).exitCode, 5)
    assert.equal((await far.json(['repository', 'describe', 'genuine/base', '--official'])).exitCode, 5)

    assert.equal((await use('ann')).exitCode, 0)
    assert.partialDeepStrictEqual(
      await run('repository describe', ['genuine/base', '--official', '--description', 'all is built on it'], far),
      {
        isOfficial: true,
        stars: 1,
      },
    )
    await run('user update', ['ann', '--disabled'])
    assert.equal((await far.json(['search', 'base'])).exitCode, 4)
    await run('user update', ['ann', '--no-disabled'])
    await run('collector use', ['local'], far)
    assert.deepEqual(await run('user list', [], far), {users: []})
  })

  it('is asked in CI with variables, and keeps nothing there', async () => {
    const variable = `HOLDFAST_AUTH_${collector.host.replaceAll(/[.:]/g, '_')}`
    const ci = await createHoldfast(join(directory, 'ci'), {
      HOLDFAST_COLLECTOR: collector.url,
      [`${variable}_USERNAME`]: 'root',
      [`${variable}_PASSWORD`]: PASSWORD,
    })
    assert.equal(((await run('user list', [], ci)) as {users: unknown[]}).users.length, 3)
  })

  it('knows which app runs which cached reference, from whichever machine it was cached', async () => {
    const [origin, genuineOpen] = [await startDockerRegistry(), await startDockerRegistry()]
    for (const registry of [origin, genuineOpen]) afterwards(registry.stop)
    await pushImage(origin.url, 'shop/web', 'v1', createImage([createLayer('cached', 'cached')]))
    const variable = `HOLDFAST_AUTH_${collector.host.replaceAll(/[.:]/g, '_')}`
    const machine = (name: string, user: string) =>
      createHoldfast(join(directory, name), {
        HOLDFAST_COLLECTOR: collector.url,
        [`${variable}_USERNAME`]: user,
        [`${variable}_PASSWORD`]: PASSWORD,
      })
    const [first, second, stranger] = [await machine('m1', 'root'), await machine('m2', 'root'), await machine('m3', 'bob')]
    const image = `${origin.host}/shop/web:v1`
    const cached = (await run('cache-image', [image, '--to', genuineOpen.host, '--app', 'till'], first)) as {
      images: {pinnedReference: string; repository: string}[]
    }
    const {pinnedReference, repository} = cached.images[0] ?? {pinnedReference: '', repository: ''}
    for (const query of ['till', image, repository, pinnedReference]) {
      const {images} = (await run('cached', [query], second)) as {images: object[]}
      assert.partialDeepStrictEqual(images[0], {app: 'till', source: image, pinnedReference}, query)
    }
    assert.deepEqual(((await run('cached', ['till'], stranger)) as {images: object[]}).images, [])
    const {images: own} = (await run('cached', ['till', '--collector', 'local'], second)) as {images: object[]}
    assert.deepEqual(own, [])
    // That the collector is away is no reason to lose the image.
    const away = await createHoldfast(join(directory, 'm4'), {
      HOLDFAST_COLLECTOR: 'http://127.0.0.1:1',
      HOLDFAST_AUTH_127_0_0_1_1_USERNAME: 'a',
      HOLDFAST_AUTH_127_0_0_1_1_PASSWORD: 'b',
    })
    const {exitCode, envelope} = await away.json(['cache-image', image, '--to', genuineOpen.host])
    assert.equal(exitCode, 0)
    // It could not be asked which registries it manages, and was not told of the copy.
    assert.match(String(envelope.warnings?.[0]), /is not trusted with the credentials/)
    assert.match(String(envelope.warnings?.[1]), /was not told of/)
  })

  it('lets nobody use a token of a registry at its API, nor a session at a registry', async () => {
    const session = (await (await fetch(`${collector.url}/api/v1/sessions`, {method: 'POST', headers: basic('root')})).json()) as {
      token: string
    }
    const api = async (authorization: string) => (await fetch(`${collector.url}/api/v1/users`, {headers: {authorization}})).status
    assert.equal(await api(`Bearer ${session.token}`), 200)
    const {token} = (await (await fetch(`${collector.url}/token?service=embedded`, {headers: basic('root')})).json()) as {token: string}
    assert.deepEqual([await api(`Bearer ${token}`), await api('Bearer x'), await api('')], [401, 401, 401])
    assert.equal((await fetch(`${collector.url}/v2/`, {headers: {authorization: `Bearer ${session.token}`}})).status, 401)
    const search = await fetch(`${collector.url}/v1/search?q=`, {headers: {authorization: `Bearer ${session.token}`}})
    assert.equal(search.status, 401)
  })

  it('tells whether it is ready, and what it has done', async () => {
    const ready = await fetch(`${collector.url}/readyz`)
    assert.deepEqual([ready.status, await ready.json()], [200, {status: 'ok'}])
    assert.equal((await fetch(`${collector.url}/healthz`)).status, 200)
    const metrics = await (await fetch(`${collector.url}/metrics`)).text()
    assert.match(metrics, /holdfast_token_requests_total\{status="200"\} [1-9]/)
    assert.match(metrics, /holdfast_access_decisions_total\{action="pull",rule="U9",outcome="granted"\} [1-9]/)
    assert.match(metrics, /holdfast_notifications_total\{status="401"\} 6/)
    assert.match(metrics, /holdfast_registry_up\{registry="embedded"\} 1/)
  })

  it('describes its API in OpenAPI, whose every path answers', async () => {
    const document = (await (await fetch(`${collector.url}/openapi.json`)).json()) as {openapi: string; paths: Record<string, object>}
    assert.match(document.openapi, /^3\.1/)
    assert.ok(Object.keys(document.paths).length > 25)
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods)) {
        const {status} = await fetch(`${collector.url}${path.replaceAll(/\{\w+\}/g, 'x')}`, {method: method.toUpperCase()})
        assert.equal(status, 401, `${method} ${path}`)
      }
    }
  })
})
