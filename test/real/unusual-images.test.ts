/** Images that are unusual, through the real command line and between genuine registries: every reference that is printed can be pulled. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {type ServedRegistry, serveRegistry} from '../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer, DOCKER_MANIFEST, OCI_INDEX, type SampleImage} from '../support/images.ts'
import {fetchBlob, fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
const URL_OF_BASE = 'https://storage.invalid/base'

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const blobOf = (text: string) => ({bytes: Buffer.from(text), digest: sha256(Buffer.from(text))})
const describeBlob = (mediaType: string, {bytes, digest}: {bytes: Uint8Array; digest: string}) => ({mediaType, digest, size: bytes.length})

/** The cache that `docker buildx build --cache-to type=registry` writes. */
function createBuildCache(): SampleImage {
  const layer = createLayer('cached', 'a step of a build').blob
  const config = blobOf(JSON.stringify({layers: [{blob: layer.digest, parent: -1}], records: []}))
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        describeBlob('application/vnd.oci.image.layer.v1.tar+gzip', layer),
        describeBlob('application/vnd.buildkit.cacheconfig.v0', config),
      ],
    }),
  )
  return {mediaType: OCI_INDEX, bytes, digest: sha256(bytes), blobs: [layer, config], children: []}
}

/** An image of Windows, whose base its registry need not have. */
function createWindowsImage(holdsBase: boolean): SampleImage {
  const base = blobOf('the base of Windows')
  const config = blobOf(
    JSON.stringify({os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2700', rootfs: {type: 'layers', diff_ids: []}}),
  )
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: describeBlob('application/vnd.docker.container.image.v1+json', config),
      layers: [{...describeBlob(FOREIGN, base), urls: [URL_OF_BASE]}],
    }),
  )
  return {mediaType: DOCKER_MANIFEST, bytes, digest: sha256(bytes), blobs: holdsBase ? [config, base] : [config], children: []}
}

describe('unusual images', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  let directory: TemporaryDirectory
  let served: ServedRegistry
  let source: string
  let genuine: DockerRegistry
  let holdfast: Holdfast

  const result = async (schema: string, ...args: readonly string[]) => {
    const {envelope, stderr} = await holdfast.json(args)
    assert.ok(envelope.ok, stderr)
    const validate =
      ajv.getSchema(`${schema}.schema.json`) ?? ajv.compile(JSON.parse(readFileSync(join(SCHEMAS, `${schema}.schema.json`), 'utf8')))
    assert.ok(validate(envelope.result), JSON.stringify(validate.errors))
    return {result: envelope.result as Record<string, unknown>, warnings: JSON.stringify(envelope.warnings ?? [])}
  }

  before(async () => {
    directory = await createTemporaryDirectory('unusual')
    afterwards(directory.remove)
    served = await serveRegistry({dataDirectory: join(directory.path, 'served'), host: '127.0.0.1', port: 0})
    afterwards(() => served.stop({graceMs: 0}))
    source = `127.0.0.1:${served.address.port}`
    genuine = await startDockerRegistry()
    afterwards(() => genuine.stop())
    holdfast = await createHoldfast(directory.path)
  })

  describe('under a sha512 digest', () => {
    const sample = createImage([createLayer('app', 'sha512')])
    const digest = `sha512:${createHash('sha512').update(sample.bytes).digest('hex')}`
    let image: string

    before(async () => {
      await pushImage(`http://${source}`, 'hashed', undefined, sample)
      const put = await fetch(`http://${source}/v2/hashed/manifests/${digest}`, {
        method: 'PUT',
        headers: {'content-type': sample.mediaType},
        body: new Uint8Array(sample.bytes),
      })
      assert.equal(put.status, 201)
      image = `${source}/hashed@${digest}`
    })

    it('are cached and copied where the target keeps it: what is printed can be pulled', async () => {
      for (const args of [
        ['cache-image', image, '--to', source],
        ['copy', image, `${source}/copied/hashed:v1`],
      ]) {
        const {stdout, stderr, exitCode} = await holdfast.run(args)
        assert.equal(exitCode, 0, stderr)
        const [, repository, printed] = /^[^/]+\/(.+)@(\S+)\n$/.exec(stdout) ?? []
        assert.equal(printed, digest)
        assert.equal((await fetchManifest(`http://${source}`, repository ?? '', digest))?.digest, digest)
      }
      assert.ok(await fetchManifest(`http://${source}`, 'copied/hashed', 'v1'))
    })

    it('are refused where the target cannot keep it, with no reference printed', async () => {
      for (const args of [
        ['cache-image', image, '--to', genuine.host],
        ['copy', image, `${genuine.host}/copied/hashed:v1`],
      ]) {
        const {stdout, stderr, exitCode} = await holdfast.run(args)
        assert.deepEqual([stdout, exitCode], ['', 5], stderr)
        assert.match(stderr, /cannot keep sha512 digests/)
      }
      assert.equal(await fetchManifest(genuine.url, 'copied/hashed', 'v1'), undefined)
    })
  })

  it('that are caches of BuildKit are served, copied, inspected and mirrored', async () => {
    const cache = createBuildCache()
    await pushImage(`http://${source}`, 'build-cache', 'v1', cache)
    const copied = await result('copy', 'copy', `${source}/build-cache:v1`, `${genuine.host}/build-cache:v1`)
    assert.equal(copied.result.digest, cache.digest)
    for (const {digest, bytes} of cache.blobs)
      assert.deepEqual(Buffer.from((await fetchBlob(genuine.url, 'build-cache', digest)) ?? []), Buffer.from(bytes))
    const {result: inspected} = await result('inspect', 'inspect', `${source}/build-cache:v1`)
    assert.deepEqual(
      (inspected.blobs as {digest: string}[]).map(({digest}) => digest),
      cache.blobs.map(({digest}) => digest),
    )
    const mirror = await serveMirror(holdfast, ['--upstream', genuine.url])
    afterwards(mirror.stop)
    const found = await fetch(`${mirror.url}/v2/build-cache/manifests/v1`, {headers: {accept: OCI_INDEX}})
    assert.equal(found.headers.get('docker-content-digest'), cache.digest)
    for (const {digest, bytes} of cache.blobs) {
      const blob = await fetch(`${mirror.url}/v2/build-cache/blobs/${digest}`)
      assert.deepEqual(Buffer.from(await blob.arrayBuffer()), Buffer.from(bytes))
    }
  })

  it('with foreign layers say what the copy still needs, and what is refused', async () => {
    const image = createWindowsImage(true)
    await pushImage(`http://${source}`, 'windows', 'v1', image)
    const [, base] = image.blobs
    const plain = await result('copy', 'copy', `${source}/windows:v1`, `${source}/copied/windows:v1`)
    assert.deepEqual(plain.result.foreignLayers, [{digest: base?.digest, sizeBytes: base?.bytes.length, urls: [URL_OF_BASE]}])
    assert.match(plain.warnings, /foreign layer.*--foreign-layers/)
    assert.equal(await fetchBlob(`http://${source}`, 'copied/windows', base?.digest ?? ''), undefined)
    const whole = await result('copy', 'copy', `${source}/windows:v1`, `${source}/copied/windows:v1`, '--foreign-layers')
    assert.equal(whole.result.foreignLayers, undefined)
    assert.ok(await fetchBlob(`http://${source}`, 'copied/windows', base?.digest ?? ''))
    // docker-registry takes no URLs unless it is told to.
    const refused = await holdfast.run(['copy', `${source}/windows:v1`, `${genuine.host}/windows:v1`])
    assert.equal(refused.exitCode, 5, refused.stderr)
    assert.match(refused.stderr, /takes no manifest with foreign layers/)
    const {result: inspected} = await result('inspect', 'inspect', `${source}/windows:v1`)
    assert.equal((inspected.manifests as {osVersion?: string}[])[0]?.osVersion, '10.0.20348.2700')
    const {result: listed} = await result('tag-list', 'tag', 'list', `${source}/windows`)
    assert.deepEqual((listed.tags as {osVersions?: string[]}[])[0]?.osVersions, ['10.0.20348.2700'])
    assert.match((await holdfast.run(['tag', 'list', `${source}/windows`])).stdout, /windows\/amd64 \(10\.0\.20348\.2700\)/)
  })

  it('for which a web page comes are named, with what may have sent it', async () => {
    const pages = createServer((_request, response) => {
      response.writeHead(200, {'content-type': 'text/html'}).end('<!doctype html><title>Sign in</title>')
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    afterwards(() => pages.close())
    const reference = `127.0.0.1:${(pages.address() as AddressInfo).port}/team/app:v1`
    const target = `${source}/never:v1`
    for (const args of [
      ['inspect', reference],
      ['copy', reference, target],
      ['cache-image', reference, '--to', source],
    ]) {
      const {exitCode, stderr} = await holdfast.run(args)
      assert.equal(exitCode, 5, stderr)
      assert.match(stderr, new RegExp(`"${reference}": a web page came .*login page.*proxy`))
    }
  })
})
