/** The directory of the embedded store under the garbage collection of genuine registries: all that is referenced stays, all that was deleted is freed. */
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {existsSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, describeManifest, parseManifest, type RawManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {parseRepositoryName, parseTag, type RepositoryName} from '../../../src/lib/oci/reference.ts'
import {describeBlob, sourceOf} from '../../contract/content-store.ts'
import {collectGarbage, startDockerRegistry} from '../../support/docker-registry.ts'
import {fetchBlob, fetchManifest} from '../../support/push-image.ts'
import {type RegistryRelease, registryReleases} from '../../support/registry-releases.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {writeRunnableImage} from './image.ts'

const MAX_BYTES = 1_000_000
const app = parseRepositoryName('team/app')
const indexes = parseRepositoryName('team/indexes')
const untagged = parseRepositoryName('untagged')
const emptied = parseRepositoryName('emptied')

interface Kept {
  readonly repository: RepositoryName
  readonly manifest: RawManifest
}

interface FilledStore {
  readonly kept: readonly Kept[]
  /** Manifests and blobs that nothing names any more. */
  readonly deleted: readonly Digest[]
}

/** Every state that the store leaves a repository in. */
async function fill(store: FilesystemStore): Promise<FilledStore> {
  const kept: Kept[] = []
  const keep = (repository: RepositoryName, manifest: RawManifest): RawManifest => {
    kept.push({repository, manifest})
    return manifest
  }
  const image = keep(app, await writeRunnableImage(store, app, parseTag('v1')))
  const multi = json(MEDIA_TYPE.ociIndex, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [{...describeManifest(image), platform: {os: 'linux', architecture: 'amd64'}}],
  })
  await store.writeManifest(app, parseTag('multi'), keep(app, multi))
  // A repository of manifests alone: an index that names nothing.
  const empty = json(MEDIA_TYPE.ociIndex, {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: []})
  await store.writeManifest(indexes, parseTag('empty'), keep(indexes, empty))
  // Without a tag.
  const byDigest = keep(untagged, await writeRunnableImage(store, untagged, parseTag('gone')))
  await store.deleteTag(untagged, parseTag('gone'))
  const named = createRawManifest(image.mediaType, image.bytes, 'sha512')
  await store.writeManifest(app, parseTag('sha512'), keep(app, named))
  // A mirror has a manifest before its blobs.
  const sparse = parseRepositoryName('sparse')
  await store.writeSparseManifest(sparse, parseTag('v1'), byDigest)
  // Uploads that never ended, in a repository of their own and in another one.
  for (const repository of [app, parseRepositoryName('uploading')]) {
    const id = await store.startUpload(repository)
    await store.appendUpload(repository, id, 0, sourceOf(randomBytes(1000)))
  }
  const sibling = await writeRunnableImage(store, app, parseTag('old'))
  const last = await writeRunnableImage(store, emptied, parseTag('only'))
  const blob = randomBytes(3000)
  await store.writeBlob(app, describeBlob(blob), sourceOf(blob))
  await store.deleteBlob(app, describeBlob(blob).digest)
  await store.deleteManifest(app, sibling.digest)
  await store.deleteManifest(emptied, last.digest)
  const deleted = [sibling, last].flatMap((raw) => [raw.digest, ...blobsOf(raw).map(({digest}) => digest)])
  return {kept, deleted: [...deleted, describeBlob(blob).digest]}
}

function json(mediaType: string, value: unknown): RawManifest {
  return createRawManifest(mediaType, Buffer.from(JSON.stringify(value)))
}

function blobsOf(raw: RawManifest): ReturnType<typeof requiredBlobs> {
  const manifest = parseManifest(raw)
  return manifest.kind === 'image' ? requiredBlobs(manifest) : []
}

function dataFile(root: string, digest: Digest): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(root, 'docker/registry/v2/blobs', algorithm, hex.slice(0, 2), hex, 'data')
}

async function isWholeHere(store: FilesystemStore, {repository, manifest}: Kept): Promise<void> {
  assert.equal((await store.readManifest(repository, manifest.digest))?.digest, manifest.digest)
  for (const blob of blobsOf(manifest)) await readBlobBytes(store, repository, blob, MAX_BYTES)
}

async function isWholeAt(url: string, {repository, manifest}: Kept): Promise<void> {
  const found = await fetchManifest(url, repository, manifest.digest)
  assert.deepEqual(Buffer.from(found?.bytes ?? []), Buffer.from(manifest.bytes), `${repository}@${manifest.digest}`)
  for (const {digest} of blobsOf(manifest)) assert.equal(digestOf((await fetchBlob(url, repository, digest)) ?? Buffer.alloc(0)), digest)
}

describe('the directory of the embedded store, garbage-collected by docker-registry', function () {
  this.timeout(180_000)
  needs('docker-registry')
  let releases: readonly RegistryRelease[]
  let directory: TemporaryDirectory
  let store: FilesystemStore

  before(async () => {
    releases = await registryReleases()
  })

  beforeEach(async () => {
    directory = await createTemporaryDirectory('garbage')
    store = createFilesystemStore({root: directory.path})
  })

  afterEach(async () => {
    await store.close()
    await directory.remove()
  })

  /** Each release works on a store of its own. */
  async function withEach(check: (release: RegistryRelease) => Promise<void>): Promise<void> {
    for (const release of releases) {
      try {
        await check(release)
      } catch (error) {
        throw new Error(`with docker-registry ${release.version}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
      await store.close()
      await directory.remove()
      store = createFilesystemStore({root: directory.path})
    }
  }

  it('keeps every image that is named, and frees what was deleted', async () => {
    await withEach(async ({program}) => {
      const {kept, deleted} = await fill(store)
      const shown = await collectGarbage(program, store.root, ['--dry-run'])
      for (const digest of deleted) {
        assert.match(shown, new RegExp(`blob eligible for deletion: ${digest}`))
        assert.ok(existsSync(dataFile(store.root, digest)), 'a dry run deletes nothing')
      }
      await collectGarbage(program, store.root)
      for (const digest of deleted) assert.ok(!existsSync(dataFile(store.root, digest)), `${digest} is gone from the disk`)
      for (const one of kept) await isWholeHere(store, one)
      const registry = await startDockerRegistry({program, root: store.root})
      try {
        for (const one of kept) await isWholeAt(registry.url, one)
      } finally {
        await registry.stop()
      }
    })
  })

  it('takes again what was freed', async () => {
    await withEach(async ({program}) => {
      const blob = randomBytes(5000)
      await writeRunnableImage(store, app, parseTag('other'))
      await store.writeBlob(app, describeBlob(blob), sourceOf(blob))
      await collectGarbage(program, store.root)
      assert.equal(await store.statBlob(app, describeBlob(blob).digest), undefined)
      assert.equal(await store.writeBlob(app, describeBlob(blob), sourceOf(blob)), 'uploaded')
      assert.deepEqual(await readBlobBytes(store, app, describeBlob(blob), MAX_BYTES), blob)
    })
  })

  it('is collected when an earlier version left a repository without a directory for layers, once its server has started', async () => {
    await withEach(async ({program}) => {
      const {kept} = await fill(store)
      await rm(join(store.root, 'docker/registry/v2/repositories', indexes, '_layers'), {recursive: true})
      await store.purgeStaleUploads()
      await collectGarbage(program, store.root)
      for (const one of kept) await isWholeHere(store, one)
    })
  })

  it('shows every repository with manifests in the catalog of docker-registry, also one without layers', async () => {
    await withEach(async ({program}) => {
      await fill(store)
      const registry = await startDockerRegistry({program, root: store.root})
      try {
        const {repositories} = (await (await fetch(`${registry.url}/v2/_catalog`)).json()) as {repositories: string[]}
        for (const name of [app, indexes, untagged]) assert.ok(repositories.includes(name), `${name} is in ${repositories}`)
      } finally {
        await registry.stop()
      }
    })
  })
})
