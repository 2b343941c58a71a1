/** What the commands print with `--json`, held against the schemas that are published. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readdirSync, readFileSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast, type JsonRun} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, createReferrer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')

describe('the results of commands', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  const amd64 = createImage([createLayer('app', 'amd64')], {labels: {team: 'shop'}, ports: ['8080/tcp'], command: ['/app'], user: 'web'})
  const arm64 = createImage([createLayer('app', 'arm64')], {architecture: 'arm64'})
  const image = createIndex({'linux/amd64': amd64, 'linux/arm64': arm64})
  let folder: string
  let holdfast: Holdfast
  let origin: string

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('results')
    afterwards(temporary.remove)
    folder = temporary.path
    holdfast = await createHoldfast(folder)
    const served = await startServe(['--data-dir', join(folder, 'origin'), '--json'])
    assertValid('envelope', served.envelope)
    assertValid('serve', served.envelope.result)
    origin = served.envelope.result.registry
    await pushImage(`http://${origin}`, 'shop/web', 'v1', image)
    await pushImage(`http://${origin}`, 'shop/web', undefined, createReferrer(image, 'application/vnd.example.signature', 'signed'))
  })

  interface Served {
    readonly envelope: {readonly result: {readonly registry: string}}
  }

  async function startServe(args: readonly string[]): Promise<Served> {
    const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'serve', '--listen', '127.0.0.1:0', ...args], {
      env: holdfast.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    afterwards(async () => {
      child.kill('SIGTERM')
      const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode]
      assert.equal(code, 0, 'holdfast serve did not stop in order')
    })
    const [line] = await once(createInterface({input: child.stdout}), 'line')
    return {envelope: JSON.parse(line)}
  }

  function assertValid(schema: string, value: unknown): void {
    assert.ok(ajv.validate(`${schema}.schema.json`, value), `${ajv.errorsText()}: ${JSON.stringify(value)}`)
  }

  async function succeed(...args: readonly string[]): Promise<unknown> {
    const answer = await holdfast.json(args)
    assert.equal(answer.exitCode, 0, answer.stdout + answer.stderr)
    assert.equal(answer.stderr, '', 'something beside the envelope was said')
    assertValid('envelope', answer.envelope)
    const command = answer.envelope.command ?? ''
    assert.ok(args.join(' ').startsWith(command), command)
    assertValid(command.replace(' ', '-'), answer.envelope.result)
    return answer.envelope.result
  }

  async function fail(code: string, exitCode: number, ...args: readonly string[]): Promise<JsonRun> {
    const answer = await holdfast.json(args)
    assertValid('envelope', answer.envelope)
    assert.deepEqual([answer.envelope.ok, answer.envelope.error?.code, answer.exitCode], [false, code, exitCode], answer.stdout)
    return answer
  }

  it('of cache-image, into the embedded registry, with and without a choice of platforms', async () => {
    const whole = await succeed('cache-image', `${origin}/shop/web:v1`, '--app', 'shop')
    const part = await succeed('cache-image', `${origin}/shop/web:v1`, '--app', 'shop', '--platform', 'linux/arm64')
    const again = await succeed('cache-image', `${origin}/shop/web:v1`, '--app', 'shop')
    const [first, second, third] = [whole, part, again].map(
      (result) => (result as {images: {digest: string; repository: string}[]}).images[0],
    )
    assert.equal(first?.digest, image.digest)
    assert.equal(second?.digest, arm64.digest)
    assert.equal(third?.repository, first?.repository)
  })

  it('of cache-image when some images fail', async () => {
    const {envelope} = await fail('PARTIAL', 9, 'cache-image', `${origin}/shop/web:v1`, `${origin}/shop/missing:v1`)
    assertValid('cache-image', envelope.result)
  })

  it('of cached', async () => {
    const result = await succeed('cached', 'shop')
    assert.equal((result as {images: unknown[]}).images.length, 3)
    assert.deepEqual(await succeed('cached', 'nothing-like-that'), {images: []})
  })

  it('of copy, between a registry and an image layout, both ways', async () => {
    const layout = `oci:${join(folder, 'layout')}:v1`
    const out = await succeed('copy', `${origin}/shop/web:v1`, layout)
    const back = await succeed('copy', layout, `${origin}/shop/again:v1`)
    assert.deepEqual(
      [out, back].map((result) => (result as {digest: string; referrers: number}).digest),
      [image.digest, image.digest],
    )
    assert.equal((back as {referrers: number}).referrers, 1, 'the signature was left behind')
  })

  it('of inspect, also of the embedded registry while nobody serves it', async () => {
    const result = await succeed('inspect', `${origin}/shop/web:v1`)
    assert.deepEqual((result as {platforms: string[]}).platforms, ['linux/amd64', 'linux/arm64'])
    await succeed('inspect', `${origin}/shop/web:v1`, '--platform', 'linux/amd64')
    const {images} = (await succeed('cached', 'shop')) as {images: {pinnedReference: string}[]}
    await succeed('inspect', images[0]?.pinnedReference ?? '')
  })

  it('of inspect --raw, whose text is the manifest byte for byte', async () => {
    const result = await succeed('inspect', `${origin}/shop/web:v1`, '--raw')
    assert.deepEqual(Buffer.from((result as {raw: string}).raw), Buffer.from(image.bytes))
    const {stdout} = await holdfast.run(['inspect', `${origin}/shop/web:v1`, '--raw'])
    assert.deepEqual(Buffer.from(stdout), Buffer.from(image.bytes))
  })

  it('of tag list and tag delete, also of what is no image', async () => {
    const artifact = createReferrer(image, 'application/vnd.example.sbom', 'no image at all')
    await pushImage(`http://${origin}`, 'shop/tags', 'v1', image)
    await pushImage(`http://${origin}`, 'shop/tags', 'v2', image)
    await pushImage(`http://${origin}`, 'shop/tags', 'sbom', artifact)
    const {tags} = (await succeed('tag', 'list', `${origin}/shop/tags`)) as {tags: {tag: string; siblings: string[]}[]}
    assert.deepEqual(tags.map(({tag, siblings}) => [tag, siblings]).sort(), [
      ['sbom', []],
      ['v1', ['v2']],
      ['v2', ['v1']],
    ])
    await succeed('tag', 'delete', `${origin}/shop/tags:v1`)
    const {envelope} = await fail('PARTIAL', 9, 'tag', 'delete', `${origin}/shop/tags:v2`, `${origin}/shop/tags:v1`)
    assertValid('tag-delete', envelope.result)
  })

  it('of completion', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) await succeed('completion', shell)
  })

  it('of failures, each by the code and the exit code of the table', async () => {
    await fail('MANIFEST_NOT_FOUND', 3, 'inspect', `${origin}/shop/missing:v1`)
    await fail('PLATFORM_NOT_FOUND', 3, 'inspect', `${origin}/shop/web:v1`, '--platform', 'plan9/amd64')
    await fail('INVALID_REFERENCE', 2, 'inspect', 'https://example.com/x')
    await fail('INVALID_PLATFORM', 2, 'cache-image', `${origin}/shop/web:v1`, '--platform', 'linux')
    await fail('REGISTRY_NOT_DECLARED', 3, 'cache-image', `${origin}/shop/web:v1`, '--to', 'nowhere')
    await fail('NETWORK', 7, 'copy', '127.0.0.1:1/x:v1', `${origin}/x:v1`)
    await fail('LISTEN_NOT_LOOPBACK', 10, 'serve', '--listen', '0.0.0.0:0')
    await fail('ADDRESS_IN_USE', 10, 'serve', '--listen', origin)
    await fail('USAGE', 2, 'serve', '--listen', 'everywhere')
    await fail('USAGE', 2, 'inspect', 'x', '--no-such-flag')
    await fail('USAGE', 2, 'inspect')
    await fail('USAGE', 2, 'inspect', 'x', '--raw', '--platform', 'linux/amd64')
    await fail('USAGE', 2, 'completion', 'cmd.exe')
    await fail('USAGE', 2, 'no-such-command')
    await fail('USAGE', 2, 'cache-image', 'a', 'b', '--repository', 'one')
    await fail('USAGE', 2, 'cache-image', 'a', 'b', '--result', join(folder, 'result.json'))
    await fail('CONFIGURATION', 10, 'inspect', 'example.com/x', '--source-ca-file', join(folder, 'missing.pem'))
  })

  it('of cache-image --result, as the file that the platform reads', async () => {
    const file = join(folder, 'result.json')
    await succeed('cache-image', `${origin}/shop/web:v1`, '--repository', 'shop/web', '--result', file, '--result-format', '2015')
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')).detected_start_command, {web: '/app'})
  })
})
