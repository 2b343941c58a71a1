/** Manifest graphs that are unusual, broken or hostile: what is copied of them, and what is said of the rest. */
import assert from 'node:assert/strict'
import {inspectImage} from '../../../src/lib/caching/inspect-image.ts'
import {HoldfastError, hasCode, TransferError} from '../../../src/lib/core/errors.ts'
import type {Descriptor} from '../../../src/lib/oci/descriptor.ts'
import {createRawManifest, describeManifest, MAX_INDEX_DEPTH, type RawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {parsePlatform} from '../../../src/lib/oci/platform.ts'
import {parseReference, type RegistryHost, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {CopyRun} from '../../../src/lib/transfer/copy.ts'
import type {CopyReport, CopyRunOptions} from '../../../src/lib/transfer/copy-job.ts'
import {MAX_GRAPH_MANIFESTS, MAX_REFERRER_DEPTH} from '../../../src/lib/transfer/limits.ts'
import {addBlob, addImage, addIndex, addManifest, linesOf, referTo} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'

const APP = 'app' as RepositoryName
const IMAGE = 'a.test/app:v1'

/** Whether an error says that the source cannot be read, by its name. */
function isOfSource(error: unknown): boolean {
  return error instanceof TransferError && error.side === 'source' && error.message.startsWith(`cannot read "${IMAGE}": `)
}

describe('a manifest graph', () => {
  let source: MemoryStore
  let target: MemoryStore

  beforeEach(() => {
    source = new MemoryStore()
    target = new MemoryStore()
  })

  const copy = (options: CopyRunOptions = {}, platforms: readonly string[] = []): Promise<CopyReport> =>
    new CopyRun(options).copy({
      source: {store: source, reference: parseReference(IMAGE)},
      target: {store: target, reference: parseReference('b.test/app:v1')},
      platforms: platforms.map(parsePlatform),
    })
  const nest = (raw: RawManifest, levels: number): RawManifest => {
    let outer = raw
    for (let level = 0; level < levels; level++)
      outer = addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests: [referTo(outer)], annotations: {level: String(level)}})
    return outer
  }
  const attestation = (of: RawManifest): Descriptor => {
    const raw = addImage(source, 'a.test/app', [`attestation of ${of.digest}`], {tagged: false})
    return {
      ...describeManifest(raw),
      platform: {os: 'unknown', architecture: 'unknown'},
      annotations: {'vnd.docker.reference.digest': of.digest, 'vnd.docker.reference.type': 'attestation-manifest'},
    }
  }

  describe('of nested indexes', () => {
    it(`is copied with ${MAX_INDEX_DEPTH} levels`, async () => {
      const root = nest(addImage(source, 'a.test/app', ['one'], {tagged: false}), MAX_INDEX_DEPTH)
      assert.equal((await copy()).digest, root.digest)
      assert.ok(target.repository(APP).manifests.has(root.digest))
    })

    it('is refused with one more, by the name of the image and of the index, and nothing is written', async () => {
      const image = addImage(source, 'a.test/app', ['one'], {tagged: false})
      const innermost = nest(image, 1)
      nest(innermost, MAX_INDEX_DEPTH)
      await assert.rejects(copy(), (error) => {
        assert.ok(hasCode(error, 'GRAPH_TOO_DEEP'))
        assert.ok(error.message.includes(`"${IMAGE}"`) && error.message.includes(innermost.digest), error.message)
        return true
      })
      assert.deepEqual(linesOf(target.log, 'put-'), [])
    })

    it('writes what two indexes name before both, whichever is read first', async () => {
      const shared = addImage(source, 'a.test/app', ['shared'], {tagged: false})
      const inner = ['1', '2', '3'].map((n) =>
        addManifest(source, 'a.test/app', MEDIA_TYPE.ociIndex, {manifests: [referTo(shared)], annotations: {n}}, undefined),
      )
      addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests: inner.map(referTo)})
      const read = source.readManifest.bind(source)
      let delay = 3
      source.readManifest = async (...call) => {
        const raw = await read(...call)
        // The first index comes last.
        if (inner.some(({digest}) => digest === raw?.digest)) for (let turn = 50 * delay--; turn > 0; turn--) await Promise.resolve()
        return raw
      }
      await copy()
      assert.equal(linesOf(target.log, 'put-manifest app sha256').indexOf(`put-manifest app ${shared.digest}`), 0)
    })

    it(`is refused with more than ${MAX_GRAPH_MANIFESTS} manifests`, async () => {
      const {digest} = addImage(source, 'a.test/app', ['one'], {tagged: false})
      const manifests = Array.from({length: MAX_GRAPH_MANIFESTS}, (_, n) => ({
        mediaType: MEDIA_TYPE.ociManifest,
        digest: `${digest.slice(0, -5)}${String(n).padStart(5, '0')}`,
        size: 2,
      }))
      addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests})
      await assert.rejects(copy(), (error) => hasCode(error, 'GRAPH_TOO_DEEP'))
      assert.deepEqual(linesOf(target.log, 'put-'), [])
    })
  })

  it(`of referrers is copied with ${MAX_REFERRER_DEPTH} levels and refused with more`, async () => {
    let subject = addImage(source, IMAGE, ['one'])
    const refer = () => {
      subject = addImage(source, 'a.test/app', [`about ${subject.digest}`], {tagged: false, subject: referTo(subject)})
    }
    for (let level = 0; level < MAX_REFERRER_DEPTH; level++) refer()
    assert.equal((await copy()).referrers, MAX_REFERRER_DEPTH)
    target = new MemoryStore()
    refer()
    refer()
    await assert.rejects(copy(), (error) => hasCode(error, 'GRAPH_TOO_DEEP'))
    assert.equal(target.repository(APP).tags.size, 0)
  })

  it('of 300 platforms is copied with every one', async () => {
    const {index, children} = addIndex(
      source,
      IMAGE,
      Array.from({length: 300}, (_, n) => `arch${n}`),
    )
    const report = await copy()
    assert.equal(report.digest, index.digest)
    assert.equal(report.platforms.length, 300)
    for (const {digest} of children) assert.ok(target.repository(APP).manifests.has(digest))
  })

  it('of 2,000 layers is copied with every one', async () => {
    addImage(
      source,
      IMAGE,
      Array.from({length: 2000}, (_, n) => `layer ${n}`),
    )
    assert.equal((await copy()).uploadedBlobs, 2001)
  })

  describe('of which a manifest is missing', () => {
    it('is not copied whole: the child is named, with what shows the rest and a choice that can be copied', async () => {
      const {children} = addIndex(source, IMAGE, ['amd64', 'arm64'])
      const lost = children[1]
      assert.ok(lost)
      source.repository(APP).manifests.delete(lost.digest)
      await assert.rejects(copy(), (error) => {
        assert.ok(error instanceof TransferError && error.side === 'source' && error.code === 'MANIFEST_NOT_FOUND')
        assert.match(error.message, new RegExp(`names ${lost.digest} \\(linux/arm64\\), and a\\.test does not have`))
        assert.deepEqual(
          error.hints.map((hint) => hint.split('  #')[0]),
          [`holdfast inspect ${IMAGE}`, '--platform linux/amd64'],
        )
        return true
      })
      assert.equal((await copy({}, ['linux/amd64'])).digest, children[0]?.digest)
    })

    it('is inspected, and shows what is there and what is missing', async () => {
      const {children} = addIndex(source, IMAGE, ['amd64', 'arm64'])
      source.repository(APP).manifests.delete(children[1]?.digest as never)
      const image = await inspectImage(parseReference(IMAGE), source)
      assert.deepEqual(image.platforms, ['linux/amd64'])
      assert.deepEqual(image.missing, [{digest: children[1]?.digest, mediaType: MEDIA_TYPE.ociManifest, platform: 'linux/arm64'}])
    })

    it('is copied for the chosen platforms without the attestation that is missing, and says so', async () => {
      const images = ['amd64', 'arm64'].map((architecture) => addImage(source, 'a.test/app', [architecture], {architecture, tagged: false}))
      const attestations = images.map(attestation)
      const manifests = [
        ...images.map((raw, n) => ({...describeManifest(raw), platform: {os: 'linux', architecture: ['amd64', 'arm64'][n]}})),
        ...attestations,
      ]
      addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests})
      const [kept, lost] = attestations
      source.repository(APP).manifests.delete(lost?.digest as never)
      const report = await copy({}, ['linux/amd64', 'linux/arm64'])
      assert.deepEqual(report.missing, [{digest: lost?.digest, mediaType: MEDIA_TYPE.ociManifest}])
      assert.notEqual(report.digest, report.sourceDigest)
      assert.ok(target.repository(APP).manifests.has(kept?.digest as never))
      assert.equal(target.repository(APP).tags.get('v1' as Tag), report.digest)
    })
  })

  describe('that is malformed', () => {
    const put = (bytes: Uint8Array, mediaType: string = MEDIA_TYPE.ociManifest): void => {
      const raw = createRawManifest(mediaType, bytes)
      const {manifests, tags} = source.repository(APP)
      manifests.clear()
      manifests.set(raw.digest, raw)
      tags.set('v1' as Tag, raw.digest)
    }

    it('by a byte order mark is refused', async () => {
      const {bytes} = addImage(source, IMAGE, ['one'])
      put(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]))
      await assert.rejects(
        copy(),
        (error) => isOfSource(error) && hasCode(error, 'INVALID_MANIFEST') && error.message.includes('byte order mark'),
      )
    })

    for (const [open, close] of ['[]', '{}'] as const)
      it(`by 500,000 levels of ${open}${close} is refused, and its neighbours are not`, async () => {
        const levels = (count: number) =>
          open === '[' ? '['.repeat(count) + ']'.repeat(count) : `${'{"a":'.repeat(count)}0${'}'.repeat(count)}`
        const json = (count: number) =>
          Buffer.from(
            `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.ociIndex}","manifests":[],"annotations":{"a":"\\"[[[[{{{{"},"x":${levels(count)}}`,
          )
        put(json(500_000), MEDIA_TYPE.ociIndex)
        await assert.rejects(copy(), (error) => isOfSource(error) && hasCode(error, 'INVALID_MANIFEST') && error.message.includes('nested'))
        assert.deepEqual(linesOf(target.log, 'put-'), [])
        put(json(900), MEDIA_TYPE.ociIndex)
        await copy()
      })
  })

  it('that is not in a layout is an error with a command that lists the layout', async () => {
    const reference = {...parseReference(IMAGE), registry: "oci:/a b's" as RegistryHost, repository: '' as RepositoryName}
    const job = {source: {store: source, reference}, target: {store: target, reference: parseReference('b.test/app:v1')}}
    await assert.rejects(new CopyRun().copy(job), (error) => {
      assert.ok(hasCode(error, 'MANIFEST_NOT_FOUND'))
      assert.deepEqual(error.hints, ["cat '/a b'\\''s/index.json'  # names the tags"])
      return true
    })
  })

  it('with a malformed child or a malformed referrer is refused as the source is', async () => {
    const root = addImage(source, IMAGE, ['one'])
    const bad = addManifest(source, 'a.test/app', MEDIA_TYPE.ociManifest, {config: 'none', layers: [], subject: referTo(root)})
    const listReferrers = source.listReferrers.bind(source)
    source.listReferrers = async () => [referTo(bad)]
    await assert.rejects(copy(), isOfSource)
    source.listReferrers = listReferrers
    addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests: [referTo(bad)]})
    await assert.rejects(copy(), isOfSource)
    assert.deepEqual([...target.repository(APP).tags], [])
  })

  it('that BuildKit keeps a cache in is explained where the target takes no blobs in an index', async () => {
    addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests: [addBlob(source, IMAGE, 'layer of a build')]})
    target.writeManifest = async () => {
      throw new HoldfastError('BLOB_NOT_FOUND', 'cannot write manifest "b.test/app:v1": MANIFEST_BLOB_UNKNOWN')
    }
    await assert.rejects(copy(), (error) => {
      assert.ok(error instanceof TransferError && error.side === 'target' && hasCode(error, 'UNSUPPORTED'))
      assert.match(error.message, /^cannot write "b\.test\/app:v1": b\.test takes no index that names layers, as BuildKit's caches do: /)
      return error.hints.some((hint) => hint.includes('image-manifest=true'))
    })
  })

  it('that BuildKit keeps a cache in is copied with its blobs, and inspected', async () => {
    const layer = addBlob(source, IMAGE, 'layer of a build')
    const config = addBlob(source, IMAGE, '{"layers":[]}', 'application/vnd.buildkit.cacheconfig.v0')
    const index = addManifest(source, IMAGE, MEDIA_TYPE.ociIndex, {manifests: [layer, config]})
    const report = await copy()
    assert.equal(report.digest, index.digest)
    for (const {digest} of [layer, config]) assert.ok(target.repository(APP).blobs.has(digest))
    const inspected = await inspectImage(parseReference(IMAGE), source)
    assert.deepEqual(
      inspected.blobs?.map(({digest}) => digest),
      [layer.digest, config.digest],
    )
    assert.equal(inspected.sizeBytes, layer.size + config.size)
  })

  describe('with foreign layers', () => {
    const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
    const URLS = ['https://mcr.microsoft.com/v2/windows/blobs/base']
    const addForeign = (isHeld: boolean): Descriptor => {
      const layer = addBlob(source, IMAGE, 'the base of Windows', FOREIGN)
      if (!isHeld) source.repository(APP).blobs.delete(layer.digest)
      const config = addBlob(
        source,
        IMAGE,
        JSON.stringify({os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2700'}),
        MEDIA_TYPE.dockerConfig,
      )
      addManifest(source, IMAGE, MEDIA_TYPE.dockerManifest, {config, layers: [{...layer, urls: URLS}]})
      return layer
    }

    it('says which layers the copy still needs from their URLs', async () => {
      const layer = addForeign(true)
      const report = await copy()
      assert.deepEqual(report.foreignLayers, [{digest: layer.digest, sizeBytes: layer.size, urls: URLS}])
      assert.equal(target.repository(APP).blobs.has(layer.digest), false)
    })

    it('copies their bytes when asked to, also into a copy that is there', async () => {
      const layer = addForeign(true)
      await copy()
      const report = await copy({foreignLayers: true})
      assert.equal(report.foreignLayers, undefined)
      assert.ok(target.repository(APP).blobs.has(layer.digest))
    })

    it('names those that the source does not have', async () => {
      const layer = addForeign(false)
      assert.equal((await copy({foreignLayers: true})).foreignLayers?.[0]?.digest, layer.digest)
    })

    it('is told as what the target refuses', async () => {
      const layer = addForeign(true)
      target.refusesForeignLayers = true
      await assert.rejects(copy(), (error) => {
        assert.ok(error instanceof TransferError && error.side === 'target' && error.code === 'UNSUPPORTED')
        assert.ok(error.message.includes('foreign layers') && error.message.includes(layer.digest), error.message)
        assert.ok(error.hints[0]?.startsWith('--foreign-layers'))
        return true
      })
      assert.equal((await copy({foreignLayers: true})).uploadedBlobs, 1)
    })

    it('is inspected with the build of its system and the URLs of its layers', async () => {
      addForeign(true)
      const {manifests} = await inspectImage(parseReference(IMAGE), source)
      assert.deepEqual([manifests[0]?.platform, manifests[0]?.osVersion], ['windows/amd64', '10.0.20348.2700'])
      assert.deepEqual(manifests[0]?.layers[0]?.urls, URLS)
    })
  })
})
