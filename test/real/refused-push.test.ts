/** A member of a collector caches images where it may push; a refusal names the rule and the remedy, and the remedy works. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PASSWORD = 'correct horse'

interface Cached {
  readonly images: readonly {
    readonly repository: string
    readonly pinnedReference: string
    readonly unchanged: boolean
    readonly healed?: unknown
  }[]
}

describe('a member of a collector', function () {
  this.timeout(300_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let owner: Holdfast
  let collector: ServedCollector
  let origin: DockerRegistry
  let source: string

  before(async () => {
    const temporary = await createTemporaryDirectory('refused-push')
    afterwards(temporary.remove)
    directory = temporary.path
    owner = await createHoldfast(join(directory, 'owner'))
    await command(owner, ['group', 'add', 'team'])
    for (const name of ['ann', 'bob']) {
      await command(owner, ['user', 'add', name, '--password-stdin', '--group', 'team', '--privilege', 'Pusher,Puller'], PASSWORD)
    }
    collector = await serveCollector(owner)
    afterwards(async () => assert.equal(await collector.stop(), 0, 'serve did not stop in order'))
    await command(owner, ['registry', 'manage', 'embedded', '--responsible', 'team', '--publication', 'team'])
    origin = await startDockerRegistry()
    afterwards(origin.stop)
    await pushImage(origin.url, 'app', 'v1', createImage([createLayer('app', 'some content', 5000)]))
    source = `${origin.host}/app:v1`
  })

  /** A machine of its own, which knows the collector unless told otherwise. */
  const memberOf = (name: string, environment: NodeJS.ProcessEnv = {}) => {
    const variable = `HOLDFAST_AUTH_${collector.host.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
    const account = {[`${variable}_USERNAME`]: name, [`${variable}_PASSWORD`]: PASSWORD, HOLDFAST_COLLECTOR: collector.url}
    return createHoldfast(join(directory, `${name}-${Object.keys(environment).join('')}`), {...account, ...environment})
  }

  it('is told the rule and the remedy where it may not push, and both commands work', async () => {
    const bob = await memberOf('bob')
    const {exitCode, envelope} = await bob.json(['cache-image', source, '--to', collector.host])
    assert.equal(exitCode, 5)
    const {code = '', message = '', hints = []} = envelope.error ?? {}
    assert.equal(code, 'DENIED')
    assert.match(message, /by rule U9, bob needs the privilege Manager to push at the root of "embedded", or may push below users\/bob\//)
    const [grant = '', elsewhere = ''] = hints
    assert.match(
      (await bob.run(['explain', 'bob', 'embedded/web', 'push'])).stdout,
      /^push +refused +U9 .*\n→ holdfast privilege grant Manager bob$/m,
    )
    assert.equal(grant, 'holdfast privilege grant Manager bob')
    assert.equal(elsewhere, `holdfast cache-image ${source} --prefix users/bob --to ${collector.host}`)
    const [{repository = ''} = {}] = ((await command(bob, elsewhere.split(' ').slice(1))) as Cached).images
    assert.match(repository, /^users\/bob\/[0-9a-f-]{36}$/)
    await command(owner, grant.split(' ').slice(1))
    const [{repository: atRoot = ''} = {}] = ((await command(bob, ['cache-image', source, '--to', collector.host])) as Cached).images
    assert.match(atRoot, /^[0-9a-f-]{36}$/)
  })

  it('caches below the prefix of the registry, finds it again, and warms there', async () => {
    const ann = await memberOf('ann')
    await command(ann, ['registry', 'add', 'team', collector.url, '--prefix', 'users/ann', '--default'])
    const [{repository = '', pinnedReference = ''} = {}] = ((await command(ann, ['cache-image', source])) as Cached).images
    assert.match(repository, /^users\/ann\/[0-9a-f-]{36}$/)
    const [again] = ((await command(ann, ['cache-image', source])) as Cached).images
    assert.deepEqual([again?.pinnedReference, again?.unchanged], [pinnedReference, true])
    const guid = repository.slice('users/ann/'.length)
    for (const query of [guid, guid.slice(0, 8), pinnedReference]) {
      const {images} = (await command(ann, ['cached', query, '--collector', 'local'])) as Cached
      assert.deepEqual([...new Set(images.map((one) => one.repository))], [repository], query)
      const shared = (await command(ann, ['cached', query])) as Cached
      assert.deepEqual([...new Set(shared.images.map((one) => one.repository))], [repository], `${query} at the collector`)
    }
    const warmed = await ann.json(['warm', '-'], {input: `${source}\n`})
    assert.equal(warmed.exitCode, 0, warmed.stdout)
    assert.equal(((await command(ann, ['cached', source, '--collector', 'local'])) as Cached).images.length, 1)
  })

  it('has a copy below the prefix healed under its name', async () => {
    const ann = await memberOf('ann')
    const [{repository = '', pinnedReference = ''} = {}] = ((await command(ann, ['cache-image', source])) as Cached).images
    // The owner removes it from the disk below the server.
    const {rm} = await import('node:fs/promises')
    const root = join(owner.dataDirectory, 'registry/docker/registry/v2/repositories', repository, '_manifests')
    await rm(root, {recursive: true})
    const [healed] = ((await command(ann, ['cache-image', source])) as Cached).images
    assert.equal(healed?.pinnedReference, pinnedReference)
    assert.ok(healed?.healed !== undefined)
  })

  it('is told nothing by the token endpoint of another collector', async () => {
    const stranger = await memberOf('ann', {HOLDFAST_COLLECTOR: ''})
    const {exitCode, envelope} = await stranger.json(['cache-image', source, '--to', collector.host, '--prefix', 'users/bob'])
    assert.equal(exitCode, 5)
    assert.doesNotMatch(envelope.error?.message ?? '', /rule/)
  })
})
