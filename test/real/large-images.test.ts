/** Images with very many parts, and many writers at once, from a genuine registry into the embedded store. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import {readBlobBytes} from '../../src/lib/content/read-bytes.ts'
import {parseDigest} from '../../src/lib/oci/digest.ts'
import {createRawManifest, parseManifest, requiredBlobs} from '../../src/lib/oci/manifest.ts'
import {parseRepositoryName, parseTag, type RepositoryName} from '../../src/lib/oci/reference.ts'
import {sourceOf} from '../contract/content-store.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cacheImage} from '../support/cache-image.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, type SampleImage} from '../support/images.ts'
import {fetchManifest, fetchTags, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

const LAYERS = 2000
const PLATFORMS = 300
const WRITERS = 3
const PUSHES_EACH = 4
const MAX_BYTES = 1_000_000
const WRITES_AT_ONCE = 16

/** Writes an image straight into the directory of a registry: over HTTP it would take minutes. */
async function store(target: FilesystemStore, repository: RepositoryName, tag: string | undefined, image: SampleImage): Promise<void> {
  for (let from = 0; from < image.blobs.length; from += WRITES_AT_ONCE) {
    await Promise.all(
      image.blobs.slice(from, from + WRITES_AT_ONCE).map(async ({digest, bytes}) => {
        await target.writeBlob(repository, {digest: parseDigest(digest), size: bytes.length}, sourceOf(bytes))
      }),
    )
  }
  for (const child of image.children) await store(target, repository, undefined, child)
  const manifest = createRawManifest(image.mediaType, image.bytes)
  await target.writeManifest(repository, tag === undefined ? manifest.digest : parseTag(tag), manifest)
}

/** How many manifests and blobs of an image a store holds; each is read and held against its digest. */
async function countWhole(held: FilesystemStore, repository: RepositoryName, digest: string): Promise<{manifests: number; blobs: number}> {
  const raw = await held.readManifest(repository, parseDigest(digest))
  assert.ok(raw, `${repository}@${digest} is there`)
  const manifest = parseManifest(raw)
  const whole = {manifests: 1, blobs: 0}
  if (manifest.kind === 'index') {
    for (const child of manifest.manifests) {
      const {manifests, blobs} = await countWhole(held, repository, child.digest)
      whole.manifests += manifests
      whole.blobs += blobs
    }
    return whole
  }
  for (const blob of requiredBlobs(manifest)) await readBlobBytes(held, repository, blob, MAX_BYTES)
  whole.blobs = requiredBlobs(manifest).length
  return whole
}

describe('the embedded store under load', function () {
  this.timeout(300_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let origin: DockerRegistry
  let atOrigin: FilesystemStore
  let embedded: FilesystemStore
  let holdfast: Holdfast

  before(async () => {
    directory = await createTemporaryDirectory('large-images')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
    origin = await startDockerRegistry({root: join(directory.path, 'origin')})
    afterwards(origin.stop)
    atOrigin = createFilesystemStore({root: origin.root})
    afterwards(atOrigin.close)
    embedded = createFilesystemStore({root: join(holdfast.dataDirectory, 'registry')})
    afterwards(embedded.close)
  })

  const cache = async (reference: string): Promise<{repository: RepositoryName; digest: string}> => {
    const {repository, digest} = await cacheImage(holdfast, [`${origin.host}/${reference}`], {timeoutMs: 280_000})
    return {repository: parseRepositoryName(repository), digest}
  }

  it(`takes an image of ${LAYERS} layers`, async () => {
    const image = createImage(Array.from({length: LAYERS}, (_, n) => createLayer(`file-${n}`, `content ${n}`)))
    await store(atOrigin, parseRepositoryName('layers'), 'v1', image)
    const cached = await cache('layers:v1')
    assert.equal(cached.digest, image.digest)
    assert.deepEqual(await countWhole(embedded, cached.repository, image.digest), {manifests: 1, blobs: LAYERS + 1})
  })

  it(`takes an index of ${PLATFORMS} platforms`, async () => {
    const layer = createLayer('shared', 'by all')
    const platforms = Array.from(
      {length: PLATFORMS},
      (_, n) => [`linux/arch${n}`, createImage([layer], {architecture: `arch${n}`})] as const,
    )
    const index = createIndex(Object.fromEntries(platforms))
    await store(atOrigin, parseRepositoryName('platforms'), 'v1', index)
    const cached = await cache('platforms:v1')
    assert.equal(cached.digest, index.digest)
    assert.deepEqual(await countWhole(embedded, cached.repository, index.digest), {manifests: PLATFORMS + 1, blobs: 2 * PLATFORMS})
  })

  it('is written by cache-image and served, pushed to and deleted from by serve at once', async () => {
    const layer = createLayer('base', 'of all', 300_000)
    const imageOf = (name: string): SampleImage => createImage([layer, createLayer(name, name, 50_000)])
    const sources = Array.from({length: WRITERS}, (_, n) => `writer-${n}`)
    for (const name of sources) await store(atOrigin, parseRepositoryName(name), 'v1', imageOf(name))
    const served = await serveOpen()
    const pushes = sources.flatMap((name) => Array.from({length: PUSHES_EACH}, (_, n) => ({name: `pushed/${name}`, tag: `v${n}`})))
    const [cached] = await Promise.all([
      Promise.all(sources.map(async (name) => ({name, ...(await cache(`${name}:v1`))}))),
      ...pushes.map(async ({name, tag}) => {
        await pushImage(served.url, name, tag, imageOf(`${name}${tag}`))
        await pushImage(served.url, name, `passing-${tag}`, imageOf(`${name}${tag}`))
        assert.equal((await fetch(`${served.url}/v2/${name}/manifests/passing-${tag}`, {method: 'DELETE'})).status, 202)
      }),
    ])
    for (const {name, repository, digest} of cached) {
      assert.equal(digest, imageOf(name).digest)
      assert.equal((await fetchManifest(served.url, repository, 'latest'))?.digest, digest)
      assert.deepEqual(await countWhole(embedded, repository, digest), {manifests: 1, blobs: 3})
    }
    for (const {name, tag} of pushes) {
      const {digest} = imageOf(`${name}${tag}`)
      assert.equal((await fetchManifest(served.url, name, tag))?.digest, digest)
      assert.deepEqual(await countWhole(embedded, parseRepositoryName(name), digest), {manifests: 1, blobs: 3})
    }
    for (const name of sources) {
      assert.deepEqual(
        await fetchTags(served.url, `pushed/${name}`),
        Array.from({length: PUSHES_EACH}, (_, n) => `v${n}`),
      )
    }
  })

  const serveOpen = async (): Promise<{readonly url: string}> => {
    const served = await serveCollector(holdfast, [], {authenticate: false})
    afterwards(served.stop)
    return served
  }
})
