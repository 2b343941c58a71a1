/** The commands of apps where there is no platform: opting in, staging, drift, going back; against a genuine registry that moves its tags and goes away. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')

describe('the commands of apps', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  const shared = createLayer('base', 'of both', 3000)
  const old = createImage([shared, createLayer('app', 'old', 1000)])
  const fresh = createImage([shared, createLayer('app', 'fresh', 2000)])
  let folder: string
  let user: Holdfast
  let origin: DockerRegistry
  let image: string
  let count = 0

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('app-commands')
    afterwards(temporary.remove)
    folder = temporary.path
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    image = `${origin.host}/shop/web:v1`
  })

  beforeEach(async () => {
    user = await createHoldfast(join(folder, `u${count++}`))
    await pushImage(origin.url, 'shop/web', 'v1', old)
  })

  async function succeed(text: string, args: readonly string[] = []): Promise<Record<string, unknown>> {
    const {exitCode, stdout, stderr, envelope} = await user.json([...text.split(' '), ...args])
    assert.equal(exitCode, 0, stdout + stderr)
    const schema = `${(envelope.command ?? '').replaceAll(' ', '-')}.schema.json`
    assert.ok(ajv.validate(schema, envelope.result), `${ajv.errorsText()}: ${JSON.stringify(envelope.result)}`)
    return envelope.result as Record<string, unknown>
  }

  async function fail(code: string, exitCode: number, text: string): Promise<string> {
    const {exitCode: ended, stdout, envelope} = await user.json(text.split(' '))
    assert.deepEqual([envelope.error?.code, ended], [code, exitCode], stdout)
    assert.ok(ajv.validate('envelope.schema.json', envelope), ajv.errorsText())
    return envelope.error?.message ?? ''
  }

  const stagedApp = (result: Record<string, unknown>) => (result.apps as readonly Record<string, unknown>[])[0] ?? {}
  const statusOf = async (): Promise<Record<string, unknown>> => (await succeed('app show shop')).status as Record<string, unknown>

  it('opt in by the text "true" alone, and show no more of it than that', async () => {
    for (const [value, hasOptedIn] of [
      ['true', true],
      ['True', false],
      ['1', false],
      ['TRUE', false],
      ['yes', false],
      ['', false],
    ] as const) {
      assert.deepEqual(await succeed('set-env shop DIEGO_DOCKER_CACHE', [value]), {
        platform: 'local',
        app: 'shop',
        variable: 'DIEGO_DOCKER_CACHE',
        hasOptedIn,
      })
      assert.equal((await succeed('env shop')).hasOptedIn, hasOptedIn, value)
    }
    await succeed('unset-env shop DIEGO_DOCKER_CACHE')
    assert.equal((await succeed('env shop')).hasOptedIn, false)
    await fail('USAGE', 2, 'set-env shop OTHER x')
    await fail('OBJECT_NOT_FOUND', 3, 'env nobody')
    await fail('USAGE', 2, 'set-env ../x DIEGO_DOCKER_CACHE true')
  })

  it('stage an app that has opted in with a pinned copy, which stays the same when the tag moves and the origin is gone', async () => {
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    assert.match(await fail('OBJECT_NOT_FOUND', 3, 'stage shop'), /no image yet/)
    const {action, image: cached, source} = stagedApp(await succeed('stage shop --image', [image]))
    assert.deepEqual([action, source], ['cached', image])
    assert.match(String(cached), new RegExp(`^127\\.0\\.0\\.1:5050/[0-9a-f-]{36}@${old.digest}$`))
    assert.partialDeepStrictEqual(await statusOf(), {
      image: cached,
      isCached: true,
      isPinned: true,
      drift: 'none',
      sourceDigest: old.digest,
    })
    assert.equal(stagedApp(await succeed('stage shop')).action, 'unchanged')
    await pushImage(origin.url, 'shop/web', 'v1', fresh)
    assert.partialDeepStrictEqual(await statusOf(), {image: cached, drift: 'moved', currentDigest: fresh.digest})
    assert.equal(stagedApp(await succeed('stage shop')).image, cached)
    const {root, port} = origin
    await origin.kill()
    assert.partialDeepStrictEqual(await statusOf(), {image: cached, isCached: true, drift: 'unknown'})
    assert.equal(stagedApp(await succeed('stage shop')).action, 'unchanged')
    assert.equal((await user.json(['inspect', String(cached)])).exitCode, 0)
    origin = await startDockerRegistry({root, port})
  })

  it('say what has moved, take it only when told to, and go back', async () => {
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    const before = stagedApp(await succeed('stage shop --image', [image])).image
    await pushImage(origin.url, 'shop/web', 'v1', fresh)
    const seen = stagedApp(await succeed('refresh shop'))
    assert.partialDeepStrictEqual(seen, {hasMoved: true, isStaged: false, oldDigest: old.digest, newDigest: fresh.digest})
    assert.deepEqual([seen.newLayers, seen.goneLayers], [1, 1])
    assert.equal((await statusOf()).image, before)
    assert.equal(stagedApp(await succeed('refresh --all --stage')).isStaged, true)
    const after = (await statusOf()).image
    assert.match(String(after), new RegExp(`@${fresh.digest}$`))
    assert.equal((await succeed('rollback shop')).image, before)
    assert.equal((await statusOf()).image, before)
    assert.equal((await succeed('rollback shop')).image, after)
    assert.equal(stagedApp(await succeed('refresh shop')).hasMoved, false)
  })

  it('give an app that has opted out its own image back', async () => {
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    await succeed('stage shop --image', [image])
    await succeed('unset-env shop DIEGO_DOCKER_CACHE')
    assert.deepEqual(stagedApp(await succeed('stage shop')).action, 'uncached')
    const status = await statusOf()
    assert.partialDeepStrictEqual(status, {image, isCached: false, isPinned: false, hasOptedIn: false})
    assert.equal(status.source, undefined)
    assert.equal(stagedApp(await succeed('stage shop')).action, 'none')
    await fail('OBJECT_NOT_FOUND', 3, 'refresh shop')
    await fail('OBJECT_NOT_FOUND', 3, 'rollback shop')
  })

  it('say what they would do, and do none of it', async () => {
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    const {calls} = stagedApp(await succeed('stage shop --dry-run --image', [image]))
    assert.ok(
      (calls as string[]).some((call) => call.startsWith(`copy ${image} to `)),
      String(calls),
    )
    assert.equal((await statusOf()).image, undefined)
    assert.deepEqual((await succeed('cached')).images, [])
  })

  it('stage all that have opted in, and go on when one fails', async () => {
    for (const name of ['first', 'second', 'third']) await succeed(`set-env ${name} DIEGO_DOCKER_CACHE true`)
    await succeed('set-env other DIEGO_DOCKER_CACHE no')
    await succeed('stage first --image', [image])
    await succeed('stage third --image', [image])
    const {exitCode, envelope} = await user.json(['stage', '--all'])
    assert.deepEqual([exitCode, envelope.error?.code], [9, 'PARTIAL'])
    const result = envelope.result as {apps: {app: string}[]; failures: {app: string}[]}
    assert.deepEqual([result.apps.map(({app}) => app), result.failures.map(({app}) => app)], [['first', 'third'], ['second']])
    assert.ok(ajv.validate('stage.schema.json', result), ajv.errorsText())
    const {apps} = await succeed('app list --drift')
    assert.deepEqual(
      (apps as {code: string}[]).map(({code}) => code),
      ['first', 'other', 'second', 'third'],
    )
    await fail('USAGE', 2, 'stage')
    await fail('USAGE', 2, 'stage first --all')
    assert.match(await fail('USAGE', 2, 'app check'), /^cannot check an app: name one, or --all/)
    assert.match(await fail('USAGE', 2, 'rotate-credentials'), /^cannot rotate the credentials of an app: name one, or --all/)
  })

  it('find which app runs which copy of what, from each of its names', async () => {
    await succeed('set-env shop DIEGO_DOCKER_CACHE true')
    const cached = String(stagedApp(await succeed('stage shop --image', [image])).image)
    assert.partialDeepStrictEqual(stagedApp(await succeed('app check shop')), {image: cached, verdict: 'pullable', tried: 'own'})
    const guid = /\/([^@]+)@/.exec(cached)?.[1] ?? ''
    for (const query of ['shop', guid, image, cached]) {
      const {images} = await succeed('cached', [query])
      assert.partialDeepStrictEqual((images as object[])[0], {app: 'shop', source: image, pinnedReference: cached, repository: guid}, query)
    }
  })
})
