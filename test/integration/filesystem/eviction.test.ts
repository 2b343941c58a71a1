/** Evictions from a mirror's disk. Each rule that protects an image has a test that only it can fail. */
import assert from 'node:assert/strict'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {GrowingFile} from '../../../src/lib/content/disk/growing-file.ts'
import {Quota} from '../../../src/lib/content/disk/quota.ts'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import {createEvictor, type EvictionResult} from '../../../src/lib/content/pull-through/eviction/evictor.ts'
import {keptOnDisk} from '../../../src/lib/content/pull-through/eviction/kept-store.ts'
import type {EvictionPolicy} from '../../../src/lib/content/pull-through/eviction/policy.ts'
import {removeImage} from '../../../src/lib/content/pull-through/eviction/remove-image.ts'
import {keptImagesOf} from '../../../src/lib/content/pull-through/kept-images.ts'
import {UpstreamUnavailableError} from '../../../src/lib/content/pull-through/upstream.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseDigest} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createImage, createIndex, createLayer, type SampleImage} from '../../support/images.ts'
import {keepImage} from '../../support/kept-image.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const DAY = 24 * 3_600_000
const NAME = 'upstream.example.com'
const LAYER_BYTES = 20_000

const base = createLayer('base', 'of several', LAYER_BYTES)
const imageOf = (name: string, layers = [base]) => createImage([...layers, createLayer(name, name, LAYER_BYTES)])
const digestsOf = (image: SampleImage): readonly string[] => [
  image.digest,
  ...image.blobs.map(({digest}) => digest),
  ...image.children.flatMap(digestsOf),
]

describe('the eviction of images', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let count = 0
  let disk: FilesystemStore
  let source: FilesystemStore
  let quota: Quota
  /** What the upstream says instead of what it has. */
  let refusal: HoldfastError | undefined
  let asked: string[]
  let nowMs: number
  let monotonicMs: number
  let results: string[]

  before(async () => {
    directory = await createTemporaryDirectory('eviction')
    afterwards(directory.remove)
  })

  beforeEach(async () => {
    const folder = join(directory.path, String(count++))
    await mkdir(folder)
    quota = new Quota(Number.POSITIVE_INFINITY)
    disk = createFilesystemStore({root: join(folder, 'disk')})
    source = createFilesystemStore({root: join(folder, 'upstream')})
    refusal = undefined
    asked = []
    results = []
    nowMs = Date.now()
    monotonicMs = 0
  })

  afterEach(async () => {
    await disk.close()
    await source.close()
  })

  /** Puts an image upstream and into the mirror, where it was last used so many days ago. */
  async function pulled(name: string, image: SampleImage, daysAgo: number, tag: string | undefined = 'v1'): Promise<void> {
    await keepImage(source, name, image, {tag: tag ?? 'v1'})
    await keepImage(disk, name, image, tag === undefined ? {} : {tag})
    await used(name, image, daysAgo)
  }

  async function used(name: string, image: SampleImage, daysAgo: number): Promise<void> {
    for (const digest of digestsOf(image)) {
      await disk.keptContent.markUsed(parseRepositoryName(name), parseDigest(digest), nowMs - daysAgo * DAY)
    }
  }

  const cache = () => keptOnDisk(disk)

  function evictorOf(policy: Partial<EvictionPolicy>) {
    return createEvictor({
      upstreams: [
        {
          name: NAME,
          kept: cache(),
          async ask(what, repository, question) {
            asked.push(`${repository}${what}`)
            if (refusal !== undefined) throw refusal
            return await question(source)
          },
        },
      ],
      policy: {keep: [], ...policy},
      quota,
      now: () => ({wallMs: nowMs, monotonicMs}),
      onResult: (_, {repository}, {outcome}: EvictionResult) => results.push(`${repository} ${outcome}`),
    })
  }

  /** Uses have been recorded for a year. */
  async function round(policy: Partial<EvictionPolicy>): Promise<readonly string[]> {
    await disk.keptContent.writeUsageTimes({sinceMs: nowMs - 365 * DAY, resumedMs: nowMs - 365 * DAY, seenMs: nowMs})
    results = []
    await evictorOf(policy).round(AbortSignal.timeout(30_000))
    return results
  }

  async function kept(): Promise<readonly string[]> {
    const all: string[] = []
    for await (const repository of disk.listRepositories()) {
      for (const {tags, isComplete} of await keptImagesOf(cache(), repository))
        all.push(`${repository}:${tags.join()}${isComplete ? '' : ' incomplete'}`)
    }
    return all
  }

  const sizeOnDisk = () => disk.keptContent.measure(new Set())

  it('takes the least recently used first, whole, until the rest fits, and leaves what others share', async () => {
    await pulled('team/old', imageOf('old'), 30)
    await pulled('team/older', imageOf('older'), 60)
    await pulled('team/new', imageOf('new'), 10)
    const before = await sizeOnDisk()
    assert.deepEqual(await round({maxSizeBytes: before}), ['team/older size'])
    assert.deepEqual(await kept(), ['team/new:v1', 'team/old:v1'])
    const after = await sizeOnDisk()
    assert.ok(after <= before * 0.9 && after > before - 2 * LAYER_BYTES, 'the base layer is still there')
    assert.equal(quota.usedBytes, after)
  })

  it('takes what was not used for too long, and asks the upstream for nothing else', async () => {
    await pulled('team/old', imageOf('old'), 100)
    await pulled('team/new', imageOf('new'), 10)
    assert.deepEqual(await round({maxUnusedMs: 90 * DAY}), ['team/old unused'])
    assert.ok(asked.length > 0 && asked.every((what) => what.startsWith('team/old')))
    assert.deepEqual(await kept(), ['team/new:v1'])
    assert.equal(
      await source.statManifest(parseRepositoryName('team/old'), parseDigest(imageOf('old').digest)).then((found) => found !== undefined),
      true,
    )
  })

  it('takes nothing without a limit', async () => {
    await pulled('team/old', imageOf('old'), 1_000)
    assert.deepEqual([await round({}), asked], [[], []])
    assert.deepEqual(await kept(), ['team/old:v1'])
  })

  it('leaves parts that another image of the repository needs, and takes tags, indexes and platforms together', async () => {
    const arm = createImage([createLayer('arm', 'arm', 100)], {architecture: 'arm64'})
    const shared = imageOf('shared')
    const index = createIndex({'linux/amd64': shared, 'linux/arm64': arm})
    await pulled('team/app', index, 100, 'multi')
    await pulled('team/app', imageOf('other'), 5, 'single')
    await keepImage(disk, 'team/app', index, {tag: 'latest'})
    await keepImage(source, 'team/app', index, {tag: 'latest'})
    await used('team/app', index, 100)
    await used('team/app', imageOf('other'), 5)
    assert.deepEqual(await round({maxUnusedMs: 30 * DAY}), ['team/app unused'])
    assert.deepEqual(await kept(), ['team/app:single'])
    const repository = parseRepositoryName('team/app')
    for (const digest of digestsOf(index)) {
      const isShared = digest === base.blob.digest
      assert.equal((await disk.statBlob(repository, parseDigest(digest))) !== undefined, isShared, digest)
      assert.equal(await disk.statManifest(repository, parseDigest(digest)), undefined)
    }
  })

  it('takes nothing while the upstream is unreachable', async () => {
    await pulled('team/old', imageOf('old'), 100)
    await pulled('team/older', imageOf('older'), 200)
    for (const code of ['NETWORK', 'RATE_LIMITED'] as const) {
      asked = []
      refusal = new UpstreamUnavailableError(NAME, 'x', new HoldfastError(code, 'cannot ask'), 5)
      assert.deepEqual(await round({maxUnusedMs: 30 * DAY, maxSizeBytes: 1}), ['team/older kept: unreachable'])
      assert.equal(asked.length, 1, 'it is not asked for every image')
    }
    assert.equal((await kept()).length, 2)
    refusal = undefined
    assert.equal((await round({maxUnusedMs: 30 * DAY})).length, 2)
  })

  it('takes nothing that the upstream no longer has: a tag, a manifest, a layer, or the right to pull it', async () => {
    const old = imageOf('old')
    const repository = parseRepositoryName('team/old')
    for (const lose of [
      async () => void (await source.deleteTag(repository, 'v1' as Parameters<typeof source.deleteTag>[1])),
      async () => {
        await keepImage(source, 'team/old', imageOf('its successor'), {tag: 'v1'})
        await source.deleteManifest(repository, parseDigest(old.digest))
      },
      async () => void (await source.deleteBlob(repository, parseDigest(old.blobs.at(-1)?.digest ?? ''))),
      async () => {
        refusal = new HoldfastError('DENIED', 'cannot pull: no access')
      },
    ]) {
      await pulled('team/old', old, 100)
      await lose()
      assert.deepEqual(await round({maxUnusedMs: 30 * DAY, maxSizeBytes: 1}), ['team/old kept: gone upstream'])
      assert.deepEqual(await kept(), ['team/old:v1'])
      await source.deleteManifest(repository, parseDigest(imageOf('its successor').digest))
      refusal = undefined
    }
    await pulled('team/old', old, 100)
    assert.deepEqual(await round({maxUnusedMs: 30 * DAY}), ['team/old unused'])
  })

  it('asks for what is gone upstream once a day', async () => {
    await pulled('team/old', imageOf('old'), 100)
    await source.deleteManifest(parseRepositoryName('team/old'), parseDigest(imageOf('old').digest))
    const evictor = evictorOf({maxUnusedMs: 30 * DAY})
    await disk.keptContent.writeUsageTimes({sinceMs: 0, resumedMs: 0, seenMs: nowMs})
    for (let hour = 0; hour < 30; hour++) {
      await evictor.round(AbortSignal.timeout(30_000))
      nowMs += DAY / 24
      monotonicMs += DAY / 24
    }
    assert.equal(results.length, 2)
  })

  it('takes nothing that a pattern keeps, nor what was served in the last 24 hours', async () => {
    await pulled('team/kept', imageOf('kept'), 100)
    await pulled('team/served', imageOf('served'), 0.9)
    await pulled('team/old', imageOf('old'), 1.1)
    assert.deepEqual(await round({maxSizeBytes: 1, keep: ['team/kept']}), ['team/old size'])
    assert.deepEqual(await kept(), ['team/kept:v1', 'team/served:v1'])
  })

  it('takes nothing that a client was served while the upstream was asked', async () => {
    const old = imageOf('old')
    await pulled('team/old', old, 100)
    const statBlob = source.statBlob
    source = {
      ...source,
      statBlob: async (...call) => {
        await used('team/old', old, 0)
        return await statBlob(...call)
      },
    }
    assert.deepEqual(await round({maxUnusedMs: 30 * DAY}), [])
    assert.deepEqual(await kept(), ['team/old:v1'])
  })

  it('takes nothing while the clock is wrong, or before uses were recorded for a day', async () => {
    await pulled('team/old', imageOf('old'), 100)
    const evictor = evictorOf({maxUnusedMs: 30 * DAY, maxSizeBytes: 1})
    await evictor.round(AbortSignal.timeout(30_000))
    assert.deepEqual([results, evictor.isClockSuspect], [[], false], 'nothing was recorded before')
    await disk.keptContent.writeUsageTimes({sinceMs: 0, resumedMs: 0, seenMs: nowMs + 10 * DAY})
    await evictor.round(AbortSignal.timeout(30_000))
    assert.deepEqual([results, evictor.isClockSuspect], [[], true])
    assert.equal((await round({maxUnusedMs: 30 * DAY})).length, 1)
  })

  it('gives a pull that begins meanwhile what it needs', async () => {
    const old = imageOf('old')
    await pulled('team/app', old, 100)
    const another = imageOf('another')
    const [image] = await keptImagesOf(cache(), parseRepositoryName('team/app'))
    assert.ok(image !== undefined)
    const racing = {
      ...cache(),
      // Its client has the base layer of the old image, which it found in the mirror just before.
      remove: async (...call: Parameters<typeof disk.keptContent.remove>) => {
        const without = [base.blob.digest]
        const [freed] = await Promise.all([disk.keptContent.remove(...call), keepImage(disk, 'team/app', another, {tag: 'new', without})])
        return freed
      },
    }
    await removeImage(racing, image)
    const found = await keptImagesOf(cache(), parseRepositoryName('team/app'))
    assert.deepEqual(
      found.map(({tags}) => tags),
      [['new']],
    )
    const size = await disk.statBlob(parseRepositoryName('team/app'), parseDigest(base.blob.digest))
    // Either the link was restored, or it was gone before the manifest came: then the mirror knows that it lacks the layer.
    assert.equal(found[0]?.isComplete, size !== undefined)
  })

  it('keeps the bytes of a layer while another repository links them', async () => {
    await pulled('team/old', imageOf('old'), 100)
    await pulled('team/new', imageOf('new'), 5)
    const before = await sizeOnDisk()
    await round({maxUnusedMs: 30 * DAY})
    assert.ok((await sizeOnDisk()) < before - LAYER_BYTES)
    const found = await keptImagesOf(cache(), parseRepositoryName('team/new'))
    assert.deepEqual(
      found.map(({isComplete}) => isComplete),
      [true],
    )
  })

  it('measures what stores share by hard links once', async () => {
    const image = imageOf('shared')
    await keepImage(disk, 'team/app', image, {tag: 'v1'})
    const alone = await sizeOnDisk()
    const other = createFilesystemStore({root: `${disk.root}-other`})
    await keepImage(createOther(other), 'team/app', image, {tag: 'v1'})
    const counted = new Set<string>()
    const both = (await disk.keptContent.measure(counted)) + (await other.keptContent.measure(counted))
    assert.equal(both - alone, image.bytes.length, 'manifests are small, and are not shared')
    await other.close()
  })

  function createOther(other: FilesystemStore): Pick<FilesystemStore, 'writeBlob' | 'writeSparseManifest'> {
    const {fillBlob} = createDiskCache({disk: other, disks: [disk, other]})
    const writeBlob: FilesystemStore['writeBlob'] = async (repository, blob, source) => {
      await fillBlob(repository, blob, source, new GrowingFile(blob.size), new AbortController().signal)
      return 'uploaded'
    }
    return {writeBlob, writeSparseManifest: other.writeSparseManifest}
  }
})
