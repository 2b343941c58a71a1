/** A mirror with limits while it serves: what it may not keep it passes on, and what clients use stays. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {Quota} from '../../../src/lib/content/disk/quota.ts'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import {parseDigest} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {type ServedMirror, serveMirror} from '../../../src/lib/server/mirror.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createImage, createLayer, type SampleImage} from '../../support/images.ts'
import {keepImage} from '../../support/kept-image.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'

const DAY = 24 * 3_600_000
const NAME = 'upstream.example.com'
const LARGE_BYTES = 300_000

describe('a mirror with limits', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const old = createImage([createLayer('old', 'old', LARGE_BYTES)])
  const fresh = createImage([createLayer('fresh', 'fresh', LARGE_BYTES)])
  let directory: TemporaryDirectory
  let count = 0
  let disk: FilesystemStore
  let source: FilesystemStore
  let root: string

  before(async () => {
    directory = await createTemporaryDirectory('mirror-limits')
    afterwards(directory.remove)
  })

  beforeEach(async () => {
    const folder = join(directory.path, String(count++))
    await mkdir(folder)
    root = join(folder, 'disk')
    disk = createFilesystemStore({root})
    source = createFilesystemStore({root: join(folder, 'upstream')})
    await keepImage(source, 'team/old', old, {tag: 'v1'})
    await keepImage(source, 'team/fresh', fresh, {tag: 'v1'})
    await keepImage(disk, 'team/old', old, {tag: 'v1'})
    // Uses have been recorded for a year, and the old image was used 100 days ago.
    const nowMs = Date.now()
    await disk.keptContent.writeUsageTimes({sinceMs: nowMs - 365 * DAY, resumedMs: nowMs - 365 * DAY, seenMs: nowMs})
    for (const digest of [old.digest, ...old.blobs.map((blob) => blob.digest)]) {
      await disk.keptContent.markUsed(parseRepositoryName('team/old'), parseDigest(digest), nowMs - 100 * DAY)
    }
  })

  afterEach(async () => {
    await disk.close()
    await source.close()
  })

  async function start(
    maxSizeBytes: number,
    keep: readonly string[] = [],
    onFailure: (error: unknown) => void = () => {},
  ): Promise<ServedMirror & {readonly url: string}> {
    const quota = new Quota(maxSizeBytes)
    const served = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      eviction: {policy: {maxSizeBytes, keep}, quota},
      listener: (event) => event.type === 'failure' && onFailure(event.error),
      upstreams: [
        {
          name: NAME,
          path: parseRepositoryName(NAME),
          store: source,
          openCache: async () => createDiskCache({disk: createFilesystemStore({root, quota})}),
        },
      ],
    })
    afterwards(() => served.stop({graceMs: 0}))
    const url = `http://127.0.0.1:${served.address.port}`
    await until(async () => /holdfast_mirror_images\{.*\} 1/.test(await (await fetch(`${url}/metrics`)).text()))
    return {...served, url}
  }

  async function pull(url: string, name: string, image: SampleImage): Promise<void> {
    assert.equal((await fetch(`${url}/v2/${name}/manifests/v1`)).status, 200)
    for (const {digest} of image.blobs) {
      const bytes = Buffer.from(await (await fetch(`${url}/v2/${name}/blobs/${digest}`)).arrayBuffer())
      assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest)
    }
  }

  const isKept = async (name: string, image: SampleImage): Promise<boolean> => {
    const sizes = await Promise.all(image.blobs.map(({digest}) => disk.statBlob(parseRepositoryName(name), parseDigest(digest))))
    return sizes.every((size) => size !== undefined)
  }

  it('makes room for a new image by an old one, and passes the new one on meanwhile', async () => {
    const {url} = await start(LARGE_BYTES + 100_000)
    await pull(url, 'team/fresh', fresh)
    assert.equal(await isKept('team/fresh', fresh), false)
    await until(async () => !(await isKept('team/old', old)))
    await until(async () => {
      await pull(url, 'team/fresh', fresh)
      return await isKept('team/fresh', fresh)
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    assert.match(metrics, /holdfast_mirror_evictions_total\{[^}]*outcome="size"\} 1/)
  })

  it('passes new images on without keeping them when nothing may be evicted, and serves what it has', async () => {
    const failures: string[] = []
    const {url} = await start(LARGE_BYTES + 100_000, ['team/old'], (error) => failures.push(String(error)))
    for (let pulls = 0; pulls < 3; pulls++) await pull(url, 'team/fresh', fresh)
    assert.deepEqual([await isKept('team/fresh', fresh), await isKept('team/old', old)], [false, true])
    await until(() => failures.some((failure) => failure.includes('the maximum size of the store is reached')))
    await pull(url, 'team/old', old)
    const ready = await fetch(`${url}/readyz`)
    assert.equal(ready.status, 200)
  })

  it('records what clients are served, by manifest and by layer', async () => {
    const {url} = await start(10 * LARGE_BYTES)
    const repository = parseRepositoryName('team/old')
    const lastUsed = async (digest: string) => (await disk.keptContent.lastUsedMs(repository, parseDigest(digest))) ?? 0
    const since = Date.now() - DAY
    const [config, layer] = old.blobs.map(({digest}) => digest)
    await fetch(`${url}/v2/team/old/manifests/v1`, {method: 'HEAD'})
    await until(async () => (await lastUsed(old.digest)) > since)
    assert.ok((await lastUsed(layer ?? '')) < since)
    await (await fetch(`${url}/v2/team/old/blobs/${layer}`)).arrayBuffer()
    await until(async () => (await lastUsed(layer ?? '')) > since)
    assert.ok((await lastUsed(config ?? '')) < since, 'the config was not served')
  })
})
