import assert from 'node:assert/strict'
import {type CachedImage, type CacheImagesRequest, type CacheOutcome, cacheImages} from '../../../src/lib/caching/cache-images.ts'
import {findCachedImages} from '../../../src/lib/caching/find-cached-images.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {parsePlatform} from '../../../src/lib/oci/platform.ts'
import {parseReference, parseRepositoryName, type RegistryHost, type RepositoryName} from '../../../src/lib/oci/reference.ts'
import {isGuidBelow} from '../../../src/lib/records/guid.ts'
import type {CachedImageKey, CachedImageRecord} from '../../../src/lib/records/store.ts'
import {addImage, addIndex, linesOf} from '../../support/memory-images.ts'
import {MemoryStore} from '../../support/memory-store.ts'

/** The records of a run, in memory. */
class MemoryRecords {
  readonly images: CachedImageRecord[] = []
  readonly claims = new Map<string, RepositoryName>()
  readonly locations = new Map<Digest, RepositoryName>()

  async recordCachedImage(record: CachedImageRecord): Promise<void> {
    this.images.unshift(record)
    for (const [key, repository] of this.claims) if (repository === record.repository) this.claims.delete(key)
  }

  async claimRepository(key: CachedImageKey, fresh: RepositoryName, known?: RepositoryName): Promise<RepositoryName> {
    const newest = await this.findCachedImage(key)
    if (newest !== undefined && newest.repository !== known) return newest.repository
    const claimed = this.claims.get(JSON.stringify(key)) ?? fresh
    this.claims.set(JSON.stringify(key), claimed)
    return claimed
  }

  async recordImageRemoval({repository}: Pick<CachedImageRecord, 'repository'>): Promise<void> {
    this.images.splice(0, Infinity, ...this.images.filter((image) => image.repository !== repository))
  }

  async recordImageDamage({repository}: Pick<CachedImageRecord, 'repository'>, damaged: readonly Digest[]): Promise<void> {
    this.images.splice(0, Infinity, ...this.images.map((image) => (image.repository === repository ? {...image, damaged} : image)))
  }

  async recordImageCheck({repository}: Pick<CachedImageRecord, 'repository'>, checkedAt: string): Promise<void> {
    this.images.splice(0, Infinity, ...this.images.map((image) => (image.repository === repository ? {...image, checkedAt} : image)))
  }

  async findCachedImage(key: CachedImageKey): Promise<CachedImageRecord | undefined> {
    return this.images.find(
      (record) =>
        record.source === key.source &&
        record.registry === key.registry &&
        record.app === key.app &&
        String(record.platforms) === String(key.platforms) &&
        (key.repository !== undefined || isGuidBelow(key.prefix, record.repository)) &&
        (key.repository === undefined || key.repository === record.repository),
    )
  }

  async searchCachedImages(query?: string): Promise<readonly CachedImageRecord[]> {
    return this.images.filter(
      ({source, sourceDigest, repository}) =>
        query === undefined || source.includes(query) || query === sourceDigest || repository === query,
    )
  }

  async findBlobLocation(_registry: RegistryHost, digest: Digest): Promise<RepositoryName | undefined> {
    return this.locations.get(digest)
  }

  async recordBlobLocations(_registry: RegistryHost, repository: RepositoryName, digests: readonly Digest[]): Promise<void> {
    for (const digest of digests) this.locations.set(digest, repository)
  }
}

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const REGISTRY = 'cache.test:5000' as RegistryHost

function imageOf(outcome: CacheOutcome | undefined): CachedImage {
  if (outcome?.status !== 'cached') throw new Error(`not cached: ${String(outcome?.error)}`)
  return outcome.image
}

describe('caching images', () => {
  let source: MemoryStore
  let target: MemoryStore
  let records: MemoryRecords

  beforeEach(() => {
    source = new MemoryStore()
    target = new MemoryStore()
    records = new MemoryRecords()
  })

  const cache = (names: readonly string[], request: Partial<CacheImagesRequest> = {}) =>
    cacheImages(
      {sources: names.map(parseReference), registry: REGISTRY, prefix: undefined, ...request},
      {target, openSource: async () => source, records, now: () => new Date('2026-11-20T12:00:00Z')},
    )

  it('caches 500 images in one call, pulls what they share once and gives each a repository of its own', async () => {
    const names = Array.from({length: 500}, (_, n) => `a.test/app${n}:v1`)
    for (const [n, name] of names.entries()) addImage(source, name, ['shared', `own ${n}`])
    const outcomes = await cacheImages(
      {sources: names.map(parseReference), registry: REGISTRY, prefix: undefined},
      {target, records, openSource: async () => source, now: () => new Date(0)},
    )
    assert.equal(new Set(outcomes.map((outcome) => imageOf(outcome).repository)).size, 500)
    assert.deepEqual(
      outcomes.map(({source: name}) => name),
      names,
    )
    assert.equal(linesOf(source.log, 'get-blob').length, 500 + 2)
  })

  it('puts the image under a fresh GUID and answers with its pinned and its tag form', async () => {
    const raw = addImage(source, 'a.test/app:v1', ['one'])
    const [outcome] = await cache(['a.test/app:v1'], {app: 'shop'})
    const image = imageOf(outcome)
    assert.match(image.repository, UUID_V4)
    assert.equal(image.pinnedReference, `cache.test:5000/${image.repository}@${raw.digest}`)
    assert.equal(image.reference, `cache.test:5000/${image.repository}:latest`)
    assert.equal(records.images[0]?.app, 'shop')
  })

  it('puts the image below the prefix, and answers a request below another prefix with another copy', async () => {
    const raw = addImage(source, 'a.test/app:v1', ['one'])
    const [shop, team] = ['apps/shop', 'users/ann'].map(parseRepositoryName)
    const [first] = await cache(['a.test/app:v1'], {prefix: shop})
    const image = imageOf(first)
    assert.match(image.repository, /^apps\/shop\/[0-9a-f-]{36}$/)
    assert.equal(image.pinnedReference, `cache.test:5000/${image.repository}@${raw.digest}`)
    const again = async (prefix: RepositoryName | undefined, name = 'a.test/app:v1') => imageOf((await cache([name], {prefix}))[0])
    assert.equal((await again(shop)).repository, image.repository)
    assert.equal((await again(shop, `a.test/app@${raw.digest}`)).repository, image.repository)
    assert.match((await again(team)).repository, /^users\/ann\/[0-9a-f-]{36}$/)
    assert.match((await again(undefined)).repository, UUID_V4)
    assert.match((await again(team, `a.test/app@${raw.digest}`)).repository, /^users\/ann\//)
  })

  it('takes an explicit repository as the whole name, whatever the prefix', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const [outcome] = await cache(['a.test/app:v1'], {
      prefix: parseRepositoryName('apps/shop'),
      repository: parseRepositoryName('shop/web'),
    })
    assert.equal(imageOf(outcome).repository, 'shop/web')
  })

  it('answers the same wish with what it has, after one HEAD at each end', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const [first] = await cache(['a.test/app:v1'], {app: 'shop'})
    source.log.length = 0
    target.log.length = 0
    const [second] = await cache(['a.test/app:v1'], {app: 'shop'})
    assert.equal(imageOf(second).pinnedReference, imageOf(first).pinnedReference)
    assert.equal(imageOf(second).unchanged, true)
    assert.equal(source.log.length + target.log.length, 2)
    assert.equal(records.images.length, 1)
  })

  it('does not ask the source at all for an image that is pinned by digest', async () => {
    const raw = addImage(source, 'a.test/app:v1', ['one'])
    await cache([`a.test/app@${raw.digest}`])
    source.log.length = 0
    const [second] = await cache([`a.test/app@${raw.digest}`])
    assert.equal(imageOf(second).unchanged, true)
    assert.deepEqual(source.log, [])
  })

  it('takes a new GUID when the tag has moved, for another app, for other platforms, and when told to', async () => {
    addIndex(source, 'a.test/app:v1', ['amd64', 'arm64'])
    const names = new Set([imageOf((await cache(['a.test/app:v1'], {app: 'shop'}))[0]).repository])
    names.add(imageOf((await cache(['a.test/app:v1'], {app: 'other'}))[0]).repository)
    names.add(imageOf((await cache(['a.test/app:v1'], {app: 'shop', platforms: [parsePlatform('linux/amd64')]}))[0]).repository)
    names.add(imageOf((await cache(['a.test/app:v1'], {app: 'shop', isNew: true}))[0]).repository)
    addIndex(source, 'a.test/app:v1', ['amd64'])
    names.add(imageOf((await cache(['a.test/app:v1'], {app: 'shop'}))[0]).repository)
    assert.equal(names.size, 5)
  })

  it('puts the image back under the same GUID when the target was wiped', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const [first] = await cache(['a.test/app:v1'])
    target.repositories.clear()
    const [second] = await cache(['a.test/app:v1'])
    assert.equal(imageOf(second).pinnedReference, imageOf(first).pinnedReference)
    assert.equal(imageOf(second).unchanged, false)
    assert.ok(target.repository(imageOf(first).repository as RepositoryName).manifests.has(imageOf(first).digest as Digest))
  })

  it('goes on under the same GUID after a run that failed, and moves no blob twice', async () => {
    addImage(source, 'a.test/app:v1', ['one', 'two', 'three'])
    let reads = 0
    source.beforeRead = () => {
      if (++reads === 3) throw new HoldfastError('NETWORK', 'the line is cut')
    }
    const [failed] = await cache(['a.test/app:v1'])
    assert.equal(failed?.status, 'failed')
    const [begun] = target.repositories.keys()
    const arrived = linesOf(target.log, 'put-blob').filter((line) => line.endsWith('uploaded'))
    assert.ok(arrived.length > 0)
    assert.deepEqual([...records.locations.keys()].toSorted(), arrived.map((line) => line.split(' ')[2]).toSorted())
    target.log.length = 0
    source.log.length = 0
    const [second] = await cache(['a.test/app:v1'])
    assert.equal(imageOf(second).repository, begun)
    assert.equal(imageOf(second).presentBlobs, arrived.length)
    const again = linesOf(source.log, 'get-blob').map((line) => line.split(' ')[2])
    for (const line of arrived) assert.ok(!again.includes(line.split(' ')[2]), line)
  })

  it('makes one GUID for runs of one request at the same time', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const outcomes = await Promise.all([cache(['a.test/app:v1']), cache(['a.test/app:v1']), cache(['a.test/app:v1'])])
    assert.equal(new Set(outcomes.map(([outcome]) => imageOf(outcome).repository)).size, 1)
  })

  it('tells of an image that is cached while another is still on its way', async () => {
    addImage(source, 'a.test/slow:v1', ['slow'])
    addImage(source, 'a.test/fast:v1', ['fast'])
    const other = new MemoryStore()
    addImage(other, 'a.test/slow:v1', ['slow'])
    const {promise: told, resolve: tell} = Promise.withResolvers<CachedImage>()
    const slow = digestOf(new TextEncoder().encode('slow'))
    other.beforeRead = async (digest) => void (digest === slow && (await told))
    const outcomes = await cacheImages(
      {sources: ['a.test/slow:v1', 'a.test/fast:v1'].map(parseReference), registry: REGISTRY, prefix: undefined},
      {
        target,
        openSource: async ({repository}) => (repository === 'slow' ? other : source),
        records,
        now: () => new Date('2026-11-20T12:00:00Z'),
        onCached: tell,
      },
    )
    assert.equal((await told).source, 'a.test/fast:v1')
    assert.deepEqual(
      outcomes.map((outcome) => imageOf(outcome).source),
      ['a.test/slow:v1', 'a.test/fast:v1'],
    )
  })

  it('pulls only the new layers of a changed image', async () => {
    addImage(source, 'a.test/app:v1', ['base', 'old'])
    await cache(['a.test/app:v1'])
    addImage(source, 'a.test/app:v1', ['base', 'new'])
    source.log.length = 0
    const [second] = await cache(['a.test/app:v1'])
    assert.equal(linesOf(source.log, 'get-blob').length, 1)
    assert.equal(imageOf(second).mountedBlobs, 2)
  })

  it('reports each image when some fail, and caches the others', async () => {
    addImage(source, 'a.test/good:v1', ['one'])
    const [good, bad] = await cache(['a.test/good:v1', 'a.test/none:v1'])
    assert.equal(good?.status, 'cached')
    assert.ok(bad?.status === 'failed' && hasCode(bad.error, 'MANIFEST_NOT_FOUND'))
  })

  it('says that the digest changed for a choice of platforms', async () => {
    addIndex(source, 'a.test/app:v1', ['amd64', 'arm64'])
    const [outcome] = await cache(['a.test/app:v1'], {platforms: [parsePlatform('linux/arm64')]})
    assert.equal(imageOf(outcome).digestChanged, true)
    assert.deepEqual(imageOf(outcome).platforms, ['linux/arm64'])
  })

  it('refuses one name for several images', async () => {
    const cached = cache(['a.test/a:v1', 'a.test/b:v1'], {repository: 'name' as RepositoryName})
    await assert.rejects(cached, (error) => hasCode(error, 'USAGE'))
  })

  it('finds an image by a reference that it printed', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const image = imageOf((await cache(['a.test/app:v1']))[0])
    for (const query of [image.pinnedReference, image.reference, image.repository, 'a.test/app']) {
      const {images} = await findCachedImages(records, query)
      assert.deepEqual(
        images.map((found) => found.pinnedReference),
        [image.pinnedReference],
        query,
      )
    }
    assert.deepEqual((await findCachedImages(records, 'cache.test:5000/other:latest')).images, [])
  })

  it('names what is cached when the source cannot be asked', async () => {
    addImage(source, 'a.test/app:v1', ['one'])
    const [first] = await cache(['a.test/app:v1'])
    source.statManifest = async () => {
      throw new HoldfastError('NETWORK', 'no route')
    }
    const [second] = await cache(['a.test/app:v1'])
    assert.ok(second?.status === 'failed' && hasCode(second.error, 'NETWORK'))
    assert.ok(second.error.hints.some((hint) => hint.includes(imageOf(first).pinnedReference)))
  })
})
