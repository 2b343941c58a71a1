/** `holdfast cache-image` from a genuine docker-registry into another: what moves, what does not, and what is left when the origin is gone. */
import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {downloadedBlobs, startedUploads, uploadedBlobs, writtenManifests} from '../support/access-log.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {cachedImages, cacheImage} from '../support/cache-image.ts'
import {type ContainerClients, createContainerClients} from '../support/clients.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {
  cosignTag,
  createImage,
  createIndex,
  createLayer,
  createReferrer,
  createReferrersIndex,
  type ImageOptions,
  layerDigests,
  referrersTag,
  type SampleImage,
} from '../support/images.ts'
import {fetchBlob, fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'

const GUID_REFERENCE = /^127\.0\.0\.1:\d+\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@sha256:[0-9a-f]{64}$/
const LARGE_BYTES = 300_000

describe('holdfast cache-image between genuine registries', function () {
  this.timeout(180_000)
  needs('docker-registry', 'skopeo', 'podman')
  const afterwards = cleanUpAfterwards()
  const base = createLayer('base', 'the base that many share', LARGE_BYTES)
  let directory: TemporaryDirectory
  let origin: DockerRegistry
  let target: DockerRegistry
  let holdfast: Holdfast
  let clients: ContainerClients

  const image = (content: string, options: ImageOptions = {}): SampleImage => createImage([base, createLayer('app', content)], options)
  const cache = (source: string, ...flags: readonly string[]) =>
    cacheImage(holdfast, [`${origin.host}/${source}`, '--to', target.host, ...flags])
  const forgetLogs = () => Promise.all([origin.forgetAccessLog(), target.forgetAccessLog()])

  before(async () => {
    directory = await createTemporaryDirectory('cache')
    afterwards(directory.remove)
    origin = await startDockerRegistry()
    afterwards(() => origin.stop())
    target = await startDockerRegistry()
    afterwards(() => target.stop())
    holdfast = await createHoldfast(directory.path)
    clients = await createContainerClients(directory.path, {insecure: [target.host]})
  })

  it('prints the pinned reference under a fresh GUID, and nothing else, on standard output', async () => {
    const sample = image('plain')
    await pushImage(origin.url, 'plain', 'v1', sample)
    const {stdout, exitCode, stderr} = await holdfast.run(['cache-image', `${origin.host}/plain:v1`, '--to', target.host])
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout.trimEnd(), GUID_REFERENCE)
    assert.ok(stdout.startsWith(`${target.host}/`) && stdout.trimEnd().endsWith(sample.digest))
  })

  for (const format of ['oci', 'docker'] as const) {
    it(`keeps every byte of an image with several platforms in the ${format} format`, async () => {
      const index = createIndex(
        {'linux/amd64': image('for amd64', {format}), 'linux/arm/v7': image('for arm', {format, architecture: 'arm', variant: 'v7'})},
        format,
      )
      await pushImage(origin.url, `multi-${format}`, 'v1', index)
      const cached = await cache(`multi-${format}:v1`)
      assert.equal(cached.digest, index.digest)
      assert.equal(cached.reference, `${target.host}/${cached.repository}:latest`)
      for (const {digest, bytes, mediaType} of [index, ...index.children]) {
        const stored = await fetchManifest(target.url, cached.repository, digest)
        assert.deepEqual([stored?.mediaType, stored?.digest, Buffer.from(stored?.bytes ?? [])], [mediaType, digest, Buffer.from(bytes)])
      }
      for (const {digest, bytes} of index.children.flatMap(({blobs}) => blobs))
        assert.deepEqual(Buffer.from((await fetchBlob(target.url, cached.repository, digest)) ?? []), Buffer.from(bytes))
      const pulled = await clients.podman('pull', '-q', cached.reference)
      assert.equal(pulled.exitCode, 0, pulled.stderr)
    })
  }

  it('copies who refers to an image and cosign signatures along', async () => {
    const sample = image('signed')
    const sbom = createReferrer(sample, 'application/spdx+json', '{"spdx": true}')
    const signature = createImage([createLayer('signature', 'signed by nobody')])
    await pushImage(origin.url, 'signed', 'v1', sample)
    await pushImage(origin.url, 'signed', referrersTag(sample), createReferrersIndex([sbom], 'application/spdx+json'))
    await pushImage(origin.url, 'signed', cosignTag(sample), signature)
    const cached = await cache('signed:v1')
    assert.equal((await fetchManifest(target.url, cached.repository, sbom.digest))?.digest, sbom.digest)
    assert.equal((await fetchManifest(target.url, cached.repository, cosignTag(sample)))?.digest, signature.digest)
    const listed = JSON.parse(
      Buffer.from((await fetchManifest(target.url, cached.repository, referrersTag(sample)))?.bytes ?? []).toString(),
    )
    assert.deepEqual(
      listed.manifests.map(({digest}: {digest: string}) => digest),
      [sbom.digest],
    )
  })

  it('asks one HEAD at each end when nothing changed, and answers with the reference it has', async () => {
    await pushImage(origin.url, 'same', 'v1', image('same'))
    const first = await cache('same:v1', '--app', 'shop')
    await forgetLogs()
    const second = await cache('same:v1', '--app', 'shop')
    assert.equal(second.pinnedReference, first.pinnedReference)
    assert.equal(second.unchanged, true)
    const asked = [...(await origin.accessLog()), ...(await target.accessLog())].map(({method, status}) => `${method} ${status}`)
    assert.deepEqual(asked, ['HEAD 200', 'HEAD 200'])
  })

  it('moves no blob for a second GUID of the same image: 0 uploads, 0 downloads', async () => {
    await pushImage(origin.url, 'twice', 'v1', image('twice'))
    const first = await cache('twice:v1')
    await forgetLogs()
    const second = await cache('twice:v1', '--new')
    assert.notEqual(second.repository, first.repository)
    assert.equal(second.digest, first.digest)
    assert.deepEqual(downloadedBlobs(await origin.accessLog()), [])
    const log = await target.accessLog()
    assert.deepEqual([uploadedBlobs(log), startedUploads(log)], [[], []])
    assert.ok(writtenManifests(log).length > 0)
    assert.equal((await clients.skopeo('inspect', `docker://${second.pinnedReference}`)).exitCode, 0)
  })

  it('pulls only the new layers of an image that shares others with one that was cached before', async () => {
    const older = image('release 1')
    const newer = image('release 2')
    await pushImage(origin.url, 'shop', 'r1', older)
    await pushImage(origin.url, 'shop', 'r2', newer)
    await cache('shop:r1')
    await forgetLogs()
    await cache('shop:r2')
    const known = new Set(older.blobs.map(({digest}) => digest))
    const fresh = newer.blobs.map(({digest}) => digest).filter((digest) => !known.has(digest))
    const pulled = downloadedBlobs(await origin.accessLog())
    assert.deepEqual([...pulled].sort(), [...fresh].sort())
    assert.ok(!pulled.includes(base.blob.digest))
    assert.equal(uploadedBlobs(await target.accessLog()).length, fresh.length)
  })

  it('moves a blob once for many images of one call, each under a GUID of its own', async () => {
    const layer = createLayer('shared', 'by the fleet', LARGE_BYTES)
    const names = ['fleet-a', 'fleet-b', 'fleet-c']
    for (const name of names) await pushImage(origin.url, name, 'v1', createImage([layer, createLayer('own', name)]))
    await forgetLogs()
    const sources = names.map((name) => `${origin.host}/${name}:v1`)
    const images = cachedImages(await holdfast.json(['cache-image', ...sources, '--to', target.host]))
    assert.equal(new Set(images.map(({repository}) => repository)).size, names.length)
    const moved = downloadedBlobs(await origin.accessLog())
    assert.equal(moved.filter((digest) => digest === layer.blob.digest).length, 1)
    assert.equal(new Set(moved).size, moved.length)
  })

  it('says of each image what became of it, and ends with 9, when some fail', async () => {
    await pushImage(origin.url, 'exists', 'v1', image('exists'))
    const sources = [`${origin.host}/exists:v1`, `${origin.host}/exists:no-such-tag`]
    const {envelope, exitCode} = await holdfast.json(['cache-image', ...sources, '--to', target.host])
    assert.equal(exitCode, 9)
    assert.equal(envelope.error?.code, 'PARTIAL')
    const result = envelope.result as {images: {source: string}[]; failures: {source: string; error: {code: string}}[]}
    assert.deepEqual(
      result.images.map(({source}) => source),
      [sources[0]],
    )
    assert.deepEqual(
      result.failures.map(({source, error}) => [source, error.code]),
      [[sources[1], 'MANIFEST_NOT_FOUND']],
    )
  })

  it('keeps giving the old layers when the tag moves at the origin, and takes the new ones when asked again', async () => {
    const old = image('before the tag moved')
    const moved = image('after the tag moved')
    await pushImage(origin.url, 'moving', 'stable', old)
    const cached = await cache('moving:stable')
    await pushImage(origin.url, 'moving', 'stable', moved)
    for (const reference of [cached.pinnedReference, cached.reference]) {
      const {stdout, stderr} = await clients.skopeo('inspect', `docker://${reference}`)
      const seen = JSON.parse(stdout || `"${stderr}"`)
      assert.deepEqual([seen.Digest, seen.Layers], [old.digest, layerDigests(old)])
    }
    const again = await cache('moving:stable')
    assert.equal(again.digest, moved.digest)
    assert.notEqual(again.repository, cached.repository)
    assert.equal((await fetchManifest(target.url, cached.repository, 'latest'))?.digest, old.digest)
  })

  it('writes what the platform needs to run the image to the staging result', async () => {
    const options = {
      command: ['-g', 'daemon off;'],
      entrypoint: ['/usr/sbin/nginx'],
      workingDirectory: '/srv',
      user: '1000',
      ports: ['8080/tcp', '53/udp'],
    }
    await pushImage(origin.url, 'staged', 'v1', image('staged', options))
    const file = join(directory.path, 'results', 'result.json')
    const cached = await cache('staged:v1', '--result', file)
    const result = JSON.parse(await readFile(file, 'utf8'))
    assert.equal(result.lifecycle_metadata.docker_image, cached.pinnedReference)
    assert.equal(result.process_types.web, '/usr/sbin/nginx -g daemon off;')
    assert.deepEqual(JSON.parse(result.execution_metadata), {
      cmd: options.command,
      entrypoint: options.entrypoint,
      workdir: '/srv',
      ports: [
        {Port: 53, Protocol: 'udp'},
        {Port: 8080, Protocol: 'tcp'},
      ],
      user: '1000',
    })
  })

  it('says that the digest changed when platforms were chosen, and leaves the others where they are', async () => {
    const amd64 = image('chosen')
    const arm64 = createImage([createLayer('arm', 'not chosen')], {architecture: 'arm64'})
    await pushImage(origin.url, 'subset', 'v1', createIndex({'linux/amd64': amd64, 'linux/arm64': arm64}))
    await forgetLogs()
    const cached = await cache('subset:v1', '--platform', 'linux/amd64')
    assert.deepEqual([cached.digestChanged, cached.digest], [true, amd64.digest])
    const pulled = downloadedBlobs(await origin.accessLog())
    assert.ok(!layerDigests(arm64).some((digest) => pulled.includes(digest)))
  })

  it('gives what it cached to skopeo and podman when the origin is gone and the cache was restarted', async () => {
    const sample = image('outlives its origin')
    await pushImage(origin.url, 'outlive', 'v1', sample)
    const cached = await cache('outlive:v1')
    await origin.kill()
    await target.kill()
    const restarted = await startDockerRegistry({root: target.root, port: target.port})
    afterwards(restarted.stop)
    const copied = await clients.skopeo('copy', `docker://${cached.pinnedReference}`, `dir:${join(directory.path, 'outlived')}`)
    assert.equal(copied.exitCode, 0, copied.stderr)
    assert.deepEqual(await readFile(join(directory.path, 'outlived', 'manifest.json')), Buffer.from(sample.bytes))
    const pulled = await clients.podman('pull', '-q', cached.pinnedReference)
    assert.equal(pulled.exitCode, 0, pulled.stderr)
  })
})
