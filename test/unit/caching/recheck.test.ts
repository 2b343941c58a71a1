import assert from 'node:assert/strict'
import {
  type CachedImage,
  type CacheImagesDependencies,
  type CacheImagesRequest,
  type CacheOutcome,
  cacheImages,
} from '../../../src/lib/caching/cache-images.ts'
import {type CheckEvent, DEFAULT_RECHECK_MS} from '../../../src/lib/caching/recheck.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {formatReference, parseReference, type RegistryHost, type RepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import type {RecordStore} from '../../../src/lib/records/store.ts'
import {addImage, addIndex, linesOf, referTo} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const REGISTRY = 'cache.test:5000' as RegistryHost
const OTHER = 'other.test:5000' as RegistryHost
const IMAGE = 'a.test/app:v1'
const HOUR_MS = 3_600_000

function imageOf(outcome: CacheOutcome | undefined): CachedImage {
  if (outcome?.status !== 'cached') throw new Error(`not cached: ${String(outcome?.error)}`)
  return outcome.image
}

describe('checking again what was cached', () => {
  let folder: TemporaryDirectory
  let records: RecordStore
  let source: MemoryStore
  let target: MemoryStore
  let other: MemoryStore
  let events: CheckEvent[]
  let nowMs: number

  beforeEach(async () => {
    folder = await createTemporaryDirectory('recheck')
    records = await openSqliteStore({file: `${folder.path}/data/holdfast.db`})
    source = new MemoryStore()
    target = new MemoryStore()
    other = new MemoryStore()
    events = []
    findInMirror = undefined
    nowMs = Date.parse('2026-11-20T12:00:00Z')
  })
  afterEach(async () => {
    records.close()
    await folder.remove()
  })

  let findInMirror: CacheImagesDependencies['findInMirror']
  const cache = async (request: Partial<CacheImagesRequest> = {}, to: MemoryStore = target) =>
    (
      await cacheImages(
        {sources: [parseReference(IMAGE)], registry: REGISTRY, prefix: undefined, recheckMs: DEFAULT_RECHECK_MS, ...request},
        {
          target: to,
          openSource: async ({registry}) => (registry === OTHER ? other : registry === REGISTRY ? target : source),
          records,
          now: () => new Date(nowMs),
          onCheck: (event) => events.push(event),
          findInMirror,
        },
      )
    )[0]
  const copyOf = (image: CachedImage) => target.repository(image.repository as RepositoryName)

  it('asks for nothing but one HEAD at each end until a check is due, and once in that time', async () => {
    addImage(source, IMAGE, ['one'])
    await cache()
    for (const [laterMs, manifests] of [
      [HOUR_MS, 0],
      [DEFAULT_RECHECK_MS, 1],
      [HOUR_MS, 0],
    ] as const) {
      nowMs += laterMs
      target.log.length = 0
      assert.equal(imageOf(await cache()).unchanged, true)
      assert.equal(linesOf(target.log, 'get-manifest').length, manifests)
    }
    assert.deepEqual(events, [])
  })

  it('heals a lost layer, a lost child and all referrers under the same GUID, from the digest and not from the tag', async () => {
    const {index: raw} = addIndex(source, IMAGE, ['amd64', 'arm64'])
    addImage(source, IMAGE, ['signature'], {tagged: false, subject: referTo(raw), artifactType: 'application/vnd.test.signature'})
    const first = imageOf(await cache())
    const {manifests, blobs} = copyOf(first)
    const whole = [manifests.size, blobs.size]
    const [child] = [...manifests.keys()].filter((digest) => digest !== raw.digest)
    const [blob] = blobs.keys()
    for (const digest of manifests.keys()) if (digest !== raw.digest) manifests.delete(digest)
    if (blob !== undefined) blobs.delete(blob)
    source.log.length = 0
    const second = imageOf(await cache({recheckMs: 0}))
    assert.equal(second.pinnedReference, first.pinnedReference)
    assert.ok(child !== undefined && (second.healed?.length ?? 0) > 0)
    assert.deepEqual([manifests.size, blobs.size], whole)
    assert.deepEqual(
      events.map(({type}) => type),
      ['damaged', 'healed'],
    )
    assert.ok(!source.log.includes('get-manifest app v1'))
    assert.equal((await records.searchCachedImages()).length, 1)
    events.length = 0
    assert.equal(imageOf(await cache({recheckMs: 0})).unchanged, true)
    assert.deepEqual(events, [])
  })

  it('heals from another copy when the source has lost the digest, and else names the lost reference', async () => {
    const raw = addImage(source, IMAGE, ['one'])
    const first = imageOf(await cache())
    await cache({registry: OTHER}, other)
    source.repositories.clear()
    source.repository('app' as RepositoryName).tags.set('v1' as Tag, raw.digest)
    source.statManifest = async () => ({mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length})
    copyOf(first).blobs.clear()
    const second = imageOf(await cache({recheckMs: 0}))
    assert.equal(second.pinnedReference, first.pinnedReference)
    assert.ok(copyOf(first).blobs.size > 0)
    other.repositories.clear()
    copyOf(first).blobs.clear()
    const third = await cache({recheckMs: 0})
    assert.ok(third?.status === 'failed' && hasCode(third.error, 'MANIFEST_NOT_FOUND'))
    assert.ok(third.error.message.includes(first.pinnedReference))
    assert.equal(third.error.exitCode, 3)
  })

  it('heals from a mirror when neither the source nor another copy has the digest', async () => {
    const raw = addImage(source, IMAGE, ['one'])
    const first = imageOf(await cache())
    const mirror = new MemoryStore()
    addImage(mirror, 'mirror.test/a.test/app:v1', ['one'])
    const asked: string[] = []
    findInMirror = async (reference) => {
      asked.push(formatReference(reference))
      return [{store: mirror, reference: parseReference(`mirror.test/a.test/app@${raw.digest}`)}]
    }
    source.repositories.clear()
    source.statManifest = async () => ({mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length})
    copyOf(first).blobs.clear()
    assert.ok((imageOf(await cache({recheckMs: 0})).healed?.length ?? 0) > 0)
    assert.deepEqual(asked, [`a.test/app@${raw.digest}`])
    copyOf(first).blobs.clear()
    findInMirror = async () => {
      throw new HoldfastError('NETWORK', 'no answer')
    }
    const lost = await cache({recheckMs: 0})
    assert.ok(lost?.status === 'failed' && lost.error instanceof HoldfastError)
    assert.equal(lost.error.exitCode, 3)
    assert.deepEqual(lost.error.details.tried, [`a.test/app@${raw.digest}`, 'the mirror: no answer'])
  })

  it('heals from a mirror when the tag is gone at the source, or its registry cannot be asked, and names what is cached only once it is whole', async () => {
    const raw = addImage(source, IMAGE, ['one'])
    const first = imageOf(await cache())
    const mirror = new MemoryStore()
    addImage(mirror, 'mirror.test/a.test/app:v1', ['one'])
    const inMirror = [{store: mirror, reference: parseReference(`mirror.test/a.test/app@${raw.digest}`)}]
    source.repositories.clear()
    const refuse = async (): Promise<never> => {
      throw new HoldfastError('NETWORK', 'no answer')
    }
    for (const [code, change] of [
      ['MANIFEST_NOT_FOUND', () => {}],
      ['NETWORK', () => Object.assign(source, {statManifest: refuse, readManifest: refuse})],
    ] as const) {
      change()
      copyOf(first).blobs.clear()
      findInMirror = undefined
      events.length = 0
      const lost = await cache()
      assert.ok(lost?.status === 'failed' && hasCode(lost.error, code))
      assert.equal(lost.error.details.lost, first.pinnedReference)
      const copyAgain = `holdfast copy a.test/app@${raw.digest} ${first.reference} --recheck   # once a.test can be read`
      assert.deepEqual(lost.error.hints, [code === 'NETWORK' ? copyAgain : `holdfast cached ${raw.digest}   # lists where it was cached`])
      findInMirror = async () => inMirror
      const healed = await cache()
      assert.ok(healed?.status === 'failed' && hasCode(healed.error, code))
      assert.ok(healed.error.hints.includes(`use what was cached on ${first.cachedAt}: ${first.pinnedReference}`))
      assert.equal(events.at(-1)?.type, 'healed')
      assert.ok(copyOf(first).blobs.size > 0)
    }
  })

  it('heals what was cached before the tag moved, in the run that caches the new image, and by its digest later', async () => {
    const old = addImage(source, IMAGE, ['old'])
    const first = imageOf(await cache())
    copyOf(first).blobs.clear()
    addImage(source, IMAGE, ['new'])
    const second = imageOf(await cache({recheckMs: 0}))
    assert.notEqual(second.repository, first.repository)
    assert.ok(copyOf(first).blobs.size > 0)
    copyOf(first).blobs.clear()
    const pinned = `a.test/app@${old.digest}`
    const third = imageOf(await cache({sources: [parseReference(pinned)], recheckMs: 0}))
    assert.deepEqual([third.pinnedReference, third.source, (third.healed?.length ?? 0) > 0], [first.pinnedReference, pinned, true])
    const other = imageOf(await cache({sources: [parseReference(`a.test/app@${old.digest}`)], app: 'another'}))
    assert.notEqual(other.repository, first.repository)
  })

  it('puts back under its GUID what a wiped target lost, though the tag has moved on, and caches the new image beside it', async () => {
    const old = addImage(source, IMAGE, ['old'])
    const first = imageOf(await cache())
    target.repositories.clear()
    const fresh = addImage(source, IMAGE, ['new'])
    const second = imageOf(await cache())
    assert.notEqual(second.repository, first.repository)
    assert.equal(second.digest, fresh.digest)
    assert.ok(copyOf(first).manifests.has(old.digest))
    assert.deepEqual(
      events.map(({type, reference}) => [type, reference]),
      [
        ['damaged', first.pinnedReference],
        ['healed', first.pinnedReference],
      ],
    )
    events.length = 0
    target.repositories.clear()
    source.repository('app' as RepositoryName).manifests.delete(fresh.digest)
    addImage(source, IMAGE, ['newest'])
    assert.equal(imageOf(await cache()).unchanged, false)
    assert.deepEqual(
      events.map(({type, reference}) => [type, reference]),
      [
        ['damaged', second.pinnedReference],
        ['not-healed', second.pinnedReference],
      ],
    )
  })

  it('reads every byte with verify, and heals what has other bytes under the same GUID; a check by HEADs does not see it', async () => {
    addIndex(source, IMAGE, ['amd64', 'arm64'])
    const first = imageOf(await cache())
    const {blobs} = copyOf(first)
    const [[digest, bytes] = []] = blobs
    assert.ok(digest !== undefined && bytes !== undefined)
    blobs.set(digest, Buffer.alloc(bytes.length))
    assert.equal(imageOf(await cache({recheckMs: 0})).healed, undefined)
    const mended = imageOf(await cache({verify: true}))
    assert.deepEqual([mended.pinnedReference, mended.healed], [first.pinnedReference, [digest]])
    assert.deepEqual(blobs.get(digest), bytes)
    assert.deepEqual(
      events.map((event) => (event.type === 'damaged' ? event.altered : event.type)),
      [[digest], 'healed'],
    )
    source.log.length = 0
    assert.equal(imageOf(await cache({verify: true})).healed, undefined)
    assert.deepEqual(linesOf(source.log, 'get-blob'), [])
  })

  it('sees by HEADs a blob of another size than its descriptor says, and heals it', async () => {
    addImage(source, IMAGE, ['one'])
    const first = imageOf(await cache())
    const {blobs} = copyOf(first)
    const [[digest, bytes] = []] = blobs
    assert.ok(digest !== undefined && bytes !== undefined)
    blobs.set(digest, bytes.subarray(1))
    assert.deepEqual(imageOf(await cache({recheckMs: 0})).healed, [digest])
    assert.deepEqual(blobs.get(digest), bytes)
  })

  it('fails in every run while a copy stays damaged, though no check is due and HEADs see nothing, and reads no other blob', async () => {
    addImage(source, IMAGE, ['one', 'two'])
    const first = imageOf(await cache())
    const {blobs} = copyOf(first)
    const [[digest, bytes] = []] = blobs
    assert.ok(digest !== undefined && bytes !== undefined)
    const spoilt = Buffer.alloc(bytes.length)
    blobs.set(digest, spoilt)
    const write = target.writeBlob.bind(target)
    target.writeBlob = async (...call) => {
      const outcome = await write(...call)
      blobs.set(digest, spoilt)
      return outcome
    }
    for (const request of [{verify: true}, {}, {recheckMs: undefined}]) {
      target.log.length = 0
      const outcome = await cache(request)
      assert.ok(outcome?.status === 'failed' && hasCode(outcome.error, 'INTEGRITY'), JSON.stringify(request))
    }
    assert.deepEqual([...new Set(linesOf(target.log, 'get-blob').map((line) => line.split(' ')[2]))], [digest])
    blobs.set(digest, bytes)
    for (const _ of [1, 2]) {
      target.log.length = 0
      assert.equal(imageOf(await cache()).unchanged, true)
    }
    assert.deepEqual(linesOf(target.log, 'get-blob'), [])
  })

  it('reads what it has just copied with verify, and fails where the target keeps other bytes than it is sent', async () => {
    addImage(source, IMAGE, ['one'])
    const write = target.writeBlob.bind(target)
    target.writeBlob = async (repository, blob, ...call) => {
      const outcome = await write(repository, blob, ...call)
      target.repository(repository).blobs.set(blob.digest, Buffer.alloc(blob.size))
      return outcome
    }
    const outcome = await cache({verify: true})
    assert.ok(outcome?.status === 'failed' && hasCode(outcome.error, 'INTEGRITY'), String(outcome))
    assert.match(outcome.error.message, /^cannot heal "cache\.test:5000\/.*still has other bytes under sha256:/)
    assert.match(outcome.error.hints[0] ?? '', /^rm docker\/registry\/v2\/blobs\/sha256\//)
  })

  it('finds no damage in an index that names blobs beside manifests', async () => {
    const raw = addImage(source, IMAGE, ['one'])
    const blob = Buffer.from('a cache')
    const layer = {mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(blob), size: blob.length}
    source.repository('app' as RepositoryName).blobs.set(layer.digest, blob)
    const index = {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [referTo(raw), layer]}
    const root = createRawManifest(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(index)))
    source.repository('app' as RepositoryName).manifests.set(root.digest, root)
    source.repository('app' as RepositoryName).tags.set('v1' as Tag, root.digest)
    const first = imageOf(await cache())
    assert.equal(imageOf(await cache({recheckMs: 0})).healed, undefined)
    copyOf(first).blobs.delete(layer.digest)
    assert.deepEqual(imageOf(await cache({recheckMs: 0})).healed, [layer.digest])
  })

  it('sends four requests at most at once, and none after the registry has asked to slow down', async () => {
    addImage(
      source,
      IMAGE,
      Array.from({length: 12}, (_, index) => `layer ${index}`),
    )
    await cache()
    nowMs += DEFAULT_RECHECK_MS
    let running = 0
    let most = 0
    let asked = 0
    target.statBlob = async (_repository: RepositoryName, _digest: Digest) => {
      most = Math.max(most, ++running)
      asked++
      await new Promise(setImmediate)
      running--
      if (asked >= 6) throw new HoldfastError('RATE_LIMITED', 'slow down')
      return 1
    }
    assert.equal(imageOf(await cache()).unchanged, true)
    assert.equal(most, 4)
    assert.ok(asked < 12, String(asked))
    assert.deepEqual(
      events.map((event) => event.type === 'not-checked' && event.error.code),
      ['RATE_LIMITED'],
    )
  })
})
