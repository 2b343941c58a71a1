import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdtemp, readFile, rm, symlink} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createOciLayoutStore, type OciLayoutStore} from '../../../src/lib/content/oci-layout/store.ts'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import type {SourceStore, TargetStore} from '../../../src/lib/content/store.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createRawManifest, describeManifest, parseManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {DEFAULT_TAG, parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'
import {type DockerRegistry, startDockerRegistry} from '../../support/docker-registry.ts'
import {findProgram, needs} from '../../support/required-program.ts'
import {writeRunnableImage} from './image.ts'

const run = promisify(execFile)
const repository = parseRepositoryName('apps/shop')
const v1 = parseTag('v1')

async function skopeoCopy(from: string, to: string): Promise<void> {
  await run('skopeo', ['copy', '--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false', from, to])
}

/** Reads everything that a tag names, each byte checked against its digest. */
async function readImage(store: SourceStore, name = repository, tag = v1): Promise<{readonly digest: string; readonly blobs: number}> {
  const raw = await store.readManifest(name, tag)
  assert.ok(raw, `${name}:${tag} is there`)
  const manifest = parseManifest(raw)
  assert.equal(manifest.kind, 'image')
  const blobs = manifest.kind === 'image' ? requiredBlobs(manifest) : []
  for (const blob of blobs) await readBlobBytes(store, name, blob, 10_000_000)
  return {digest: raw.digest, blobs: blobs.length}
}

describe('a directory shared with docker-registry', () => {
  needs('docker-registry', 'skopeo')
  let directory: string
  let store: FilesystemStore
  let registry: DockerRegistry
  let layout: OciLayoutStore

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-interchange-'))
    store = createFilesystemStore({root: join(directory, 'registry')})
    layout = createOciLayoutStore({directory: join(directory, 'layout')})
    registry = await startDockerRegistry({root: store.root})
  })

  after(async () => {
    await registry?.stop()
    await Promise.all([store?.close(), layout?.close()])
    if (directory !== undefined) await rm(directory, {recursive: true})
  })

  it('serves through docker-registry what we wrote, to skopeo, tag list and catalog', async () => {
    const image = await writeRunnableImage(store, repository, v1)
    await skopeoCopy(`docker://${registry.host}/${repository}:v1`, `dir:${join(directory, 'pulled')}`)
    assert.deepEqual(await readFile(join(directory, 'pulled', 'manifest.json')), Buffer.from(image.bytes))
    assert.deepEqual(await (await fetch(`${registry.url}/v2/${repository}/tags/list`)).json(), {name: repository, tags: ['v1']})
    assert.deepEqual(await (await fetch(`${registry.url}/v2/_catalog`)).json(), {repositories: [repository]})
  })

  it('gives skopeo the new manifest after a tag moved, and nothing after it was deleted', async () => {
    const tag = parseTag('moving')
    await writeRunnableImage(store, repository, tag)
    const second = await writeRunnableImage(store, repository, tag)
    const seen = await fetch(`${registry.url}/v2/${repository}/manifests/moving`, {headers: {accept: MEDIA_TYPE.ociManifest}})
    assert.equal(seen.headers.get('docker-content-digest'), second.digest)
    assert.equal(await store.deleteTag(repository, tag), true)
    assert.equal((await fetch(`${registry.url}/v2/${repository}/manifests/moving`)).status, 404)
    assert.equal((await fetch(`${registry.url}/v2/${repository}/manifests/v1`, {headers: {accept: MEDIA_TYPE.ociManifest}})).status, 200)
  })

  it('serves an index that we wrote with the manifests below it', async () => {
    const child = await writeRunnableImage(store, repository, parseTag('child'))
    const index = createRawManifest(
      MEDIA_TYPE.ociIndex,
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPE.ociIndex,
          manifests: [{...describeManifest(child), platform: {os: 'linux', architecture: 'amd64'}}],
        }),
      ),
    )
    await store.writeManifest(repository, parseTag('multi'), index)
    await skopeoCopy(`docker://${registry.host}/${repository}:multi`, `oci:${join(directory, 'multi')}:multi`)
    const pulled = createOciLayoutStore({directory: join(directory, 'multi')})
    assert.equal((await pulled.readManifest(repository, parseTag('multi')))?.digest, index.digest)
    assert.equal((await pulled.readManifest(repository, child.digest))?.digest, child.digest)
    await pulled.close()
  })

  it('reads what skopeo pushed into docker-registry', async () => {
    const image = await writeRunnableImage(layout, repository, v1)
    await skopeoCopy(`oci:${layout.directory}:v1`, `docker://${registry.host}/pushed/by/skopeo:v1`)
    const name = parseRepositoryName('pushed/by/skopeo')
    assert.deepEqual(await readImage(store, name), {digest: image.digest, blobs: 2})
    const names: string[] = []
    for await (const found of store.listRepositories()) names.push(found)
    assert.deepEqual(names, [repository, name])
  })

  it('finds a referrer that docker-registry stored', async () => {
    const subject = await writeRunnableImage(store, repository, parseTag('signed'))
    assert.deepEqual(await store.listReferrers(repository, subject.digest), [])
    const {config, layers} = JSON.parse(Buffer.from(subject.bytes).toString())
    const referrer = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType: 'application/x-signature',
      config,
      layers,
      subject: describeManifest(subject),
    })
    const {digest} = createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(referrer))
    const put = await fetch(`${registry.url}/v2/${repository}/manifests/${digest}`, {
      method: 'PUT',
      headers: {'content-type': MEDIA_TYPE.ociManifest},
      body: referrer,
    })
    assert.equal(put.status, 201)
    assert.deepEqual(
      (await store.listReferrers(repository, subject.digest)).map((found) => [found.digest, found.artifactType]),
      [[digest, 'application/x-signature']],
    )
  })

  it('writes a layout that skopeo reads, and reads one that skopeo wrote', async () => {
    const image = await writeRunnableImage(layout, repository, parseTag('again'))
    const copied = join(directory, 'copied')
    await skopeoCopy(`oci:${layout.directory}:again`, `oci:${copied}:v1`)
    const store = createOciLayoutStore({directory: copied})
    assert.deepEqual(await readImage(store), {digest: image.digest, blobs: 2})
    await store.close()
  })

  it('reads a layout of one image without a name under the default tag', async () => {
    const nameless = join(directory, 'nameless')
    await skopeoCopy(`oci:${layout.directory}:again`, `oci:${nameless}`)
    const store = createOciLayoutStore({directory: nameless})
    assert.equal((await readImage(store, repository, DEFAULT_TAG)).blobs, 2)
    await store.close()
  })

  it('reads a layout that buildah wrote', async function () {
    if (findProgram('buildah') === undefined) return this.skip()
    const built = join(directory, 'built')
    const storage = ['--root', join(directory, 'buildah'), '--runroot', join(directory, 'buildah-run'), '--storage-driver', 'vfs']
    const container = (await run('buildah', [...storage, 'from', 'scratch'])).stdout.trim()
    await run('buildah', [...storage, 'commit', '--quiet', container, `oci:${built}:v1`])
    await run('buildah', [...storage, 'rm', container])
    const store = createOciLayoutStore({directory: built})
    assert.equal((await readImage(store)).blobs, 2)
    await store.close()
  })

  it('keeps all names when two stores write one layout at once', async () => {
    const shared = join(directory, 'shared')
    const stores = [createOciLayoutStore({directory: shared}), createOciLayoutStore({directory: shared})]
    const tags = Array.from({length: 12}, (_, n) => parseTag(`t${String(n).padStart(2, '0')}`))
    const pick = (n: number): TargetStore & SourceStore => {
      const store = stores[n % stores.length]
      assert.ok(store)
      return store
    }
    await Promise.all(tags.map(async (tag, n) => await writeRunnableImage(pick(n), repository, tag)))
    const listed: string[] = []
    for await (const tag of pick(0).listTags(repository)) listed.push(tag)
    assert.deepEqual(listed, tags)
    await Promise.all(stores.map(async (store) => await store.close()))
  })

  it('does not follow a symbolic link out of a layout', async () => {
    const image = await writeRunnableImage(layout, repository, parseTag('linked'))
    const trap = join(directory, 'trap')
    await skopeoCopy(`oci:${layout.directory}:linked`, `oci:${trap}:linked`)
    await rm(join(trap, 'blobs'), {recursive: true})
    await symlink(join(layout.directory, 'blobs'), join(trap, 'blobs'))
    const store = createOciLayoutStore({directory: trap})
    await assert.rejects(store.readManifest(repository, image.digest), (error) => hasCode(error, 'DENIED'))
    const bytes = randomBytes(10)
    const {digest} = createRawManifest('', bytes)
    await assert.rejects(
      store.writeBlob(repository, {digest, size: 10}, async (sink) => void sink.write(bytes, () => undefined)),
      (error) => hasCode(error, 'DENIED'),
    )
    await store.close()
  })
})
