/** `holdfast copy`, `inspect` and `cached` with genuine registries, OCI layouts and skopeo. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {join} from 'node:path'
import type {CopiedImage} from '../../src/lib/caching/copy-image.ts'
import type {FoundImages} from '../../src/lib/caching/find-cached-images.ts'
import type {InspectedImage} from '../../src/lib/caching/inspect-image.ts'
import {downloadedBlobs, startedUploads, uploadedBlobs} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cacheImage} from '../support/cache-image.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {fetchManifest, fetchTags, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

describe('holdfast copy between registries and OCI layouts', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo')
  const afterwards = cleanUpAfterwards()
  const amd64 = createImage([createLayer('base', 'shared', 200_000), createLayer('app', 'for amd64')])
  const arm64 = createImage([createLayer('base', 'shared', 200_000), createLayer('app', 'for arm64')], {architecture: 'arm64'})
  const index = createIndex({'linux/amd64': amd64, 'linux/arm64': arm64})
  let directory: TemporaryDirectory
  let origin: DockerRegistry
  let target: DockerRegistry
  let holdfast: Holdfast
  let clients: ContainerClients

  const copy = async (...args: readonly string[]): Promise<CopiedImage> => {
    const answer = await holdfast.json(['copy', ...args])
    assert.equal(answer.exitCode, 0, answer.stdout + answer.stderr)
    return answer.envelope.result as CopiedImage
  }
  const layout = (name: string, tag = 'v1') => `oci:${join(directory.path, name)}:${tag}`

  before(async () => {
    directory = await createTemporaryDirectory('copy')
    afterwards(directory.remove)
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    target = await startDockerRegistry()
    afterwards(() => target.stop())
    holdfast = await createHoldfast(directory.path)
    clients = await createContainerClients(directory.path, {insecure: [origin.host, target.host]})
    await pushImage(origin.url, 'app', 'v1', index)
  })

  it('keeps the digest under the name that was chosen, and prints the pinned reference alone', async () => {
    const {stdout, exitCode} = await holdfast.run(['cp', `${origin.host}/app:v1`, `${target.host}/team/app:v1`])
    assert.equal(exitCode, 0)
    assert.equal(stdout, `${target.host}/team/app@${index.digest}\n`)
    assert.equal((await fetchManifest(target.url, 'team/app', 'v1'))?.digest, index.digest)
  })

  it('moves nothing when the target has the image, and only writes a tag when that alone is missing', async () => {
    await copy(`${origin.host}/app:v1`, `${target.host}/twice:v1`)
    await Promise.all([origin.forgetAccessLog(), target.forgetAccessLog()])
    assert.equal((await copy(`${origin.host}/app:v1`, `${target.host}/twice:v1`)).unchanged, true)
    const renamed = await copy(`${origin.host}/app:v1`, `${target.host}/twice:v2`)
    assert.equal(renamed.digest, index.digest)
    assert.deepEqual(downloadedBlobs(await origin.accessLog()), [])
    assert.deepEqual([...uploadedBlobs(await target.accessLog()), ...startedUploads(await target.accessLog())], [])
    assert.deepEqual(await fetchTags(target.url, 'twice'), ['v1', 'v2'])
  })

  it('mounts what another repository of the target got earlier', async () => {
    await copy(`${origin.host}/app:v1`, `${target.host}/mounted/from:v1`)
    await Promise.all([origin.forgetAccessLog(), target.forgetAccessLog()])
    const copied = await copy(`${origin.host}/app:v1`, `${target.host}/mounted/to:v1`)
    assert.equal(copied.mountedBlobs, 5)
    assert.deepEqual(downloadedBlobs(await origin.accessLog()), [])
  })

  it('writes a layout that skopeo reads, and reads one that skopeo wrote', async () => {
    const written = await copy(`${origin.host}/app:v1`, layout('ours'))
    assert.equal(written.digest, index.digest)
    const read = await clients.skopeo('inspect', '--raw', layout('ours'))
    assert.equal(`sha256:${createHash('sha256').update(read.stdout).digest('hex')}`, index.digest)
    const theirs = await clients.skopeo('copy', '-q', '--all', '--src-tls-verify=false', `docker://${origin.host}/app:v1`, layout('theirs'))
    assert.equal(theirs.exitCode, 0, theirs.stderr)
    const back = await copy(layout('theirs'), `${target.host}/back:v1`)
    assert.equal(back.digest, index.digest)
    assert.equal((await fetchManifest(target.url, 'back', 'v1'))?.digest, index.digest)
  })

  it('copies one platform as its own manifest, and warns that the digest changed', async () => {
    const {stdout, stderr} = await holdfast.run(['copy', `${origin.host}/app:v1`, `${target.host}/one:v1`, '--platform', 'linux/arm64'])
    assert.equal(stdout, `${target.host}/one@${arm64.digest}\n`)
    assert.match(stderr, /digest changed/)
    const {exitCode, envelope} = await holdfast.json([
      'copy',
      `${origin.host}/app:v1`,
      `${target.host}/none:v1`,
      '--platform',
      'linux/s390x',
    ])
    assert.deepEqual([exitCode, envelope.error?.code], [3, 'PLATFORM_NOT_FOUND'])
    assert.match(envelope.error?.message ?? '', /linux\/amd64, linux\/arm64/)
  })

  it('says which side failed', async () => {
    const missing = await holdfast.json(['copy', `${origin.host}/none:v1`, `${target.host}/none:v1`])
    assert.deepEqual(
      [missing.exitCode, missing.envelope.error?.code, missing.envelope.error?.details?.side],
      [3, 'MANIFEST_NOT_FOUND', 'source'],
    )
    const unreachable = await holdfast.json(['copy', `${origin.host}/app:v1`, '127.0.0.1:9/none:v1'])
    assert.deepEqual(
      [unreachable.exitCode, unreachable.envelope.error?.code, unreachable.envelope.error?.details?.side],
      [7, 'NETWORK', 'target'],
    )
  })

  it('inspects platforms, layers and sizes, and gives the exact manifest', async () => {
    const {envelope} = await holdfast.json(['inspect', `${origin.host}/app:v1`])
    const inspected = envelope.result as InspectedImage
    assert.equal(inspected.digest, index.digest)
    assert.deepEqual(inspected.platforms, ['linux/amd64', 'linux/arm64'])
    assert.deepEqual(
      inspected.manifests.map((manifest) => manifest.layers.map((layer) => layer.digest)),
      [amd64, arm64].map((image) => image.blobs.slice(1).map((blob) => blob.digest)),
    )
    const raw = await holdfast.run(['inspect', `${origin.host}/app:v1`, '--raw'])
    assert.equal(`sha256:${createHash('sha256').update(raw.stdout).digest('hex')}`, index.digest)
  })

  it('finds what was cached by GUID, source, digest, app and pinned reference', async () => {
    const cached = await cacheImage(holdfast, [`${origin.host}/app:v1`, '--to', target.host, '--app', 'shop'])
    for (const query of [cached.repository, `${origin.host}/app:v1`, cached.digest, 'shop', cached.pinnedReference]) {
      const found = (await holdfast.json(['cached', query])).envelope.result as FoundImages
      assert.deepEqual(
        found.images.map(({pinnedReference, source, app}) => ({pinnedReference, source, app})),
        [{pinnedReference: cached.pinnedReference, source: `${origin.host}/app:v1`, app: 'shop'}],
        query,
      )
    }
  })
})
