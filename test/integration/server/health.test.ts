/** `/healthz`, `/readyz` and `/metrics`: who may ask, and what restricts a server that still serves what it has. */
import assert from 'node:assert/strict'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import type {MirrorCache} from '../../../src/lib/content/pull-through/cache.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import {createAddressPolicy} from '../../../src/lib/core/address-policy.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseDigest} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {type MirrorOptions, type ServedMirror, serveMirror} from '../../../src/lib/server/mirror.ts'
import {createNetworkAccess} from '../../../src/lib/server/network-access.ts'
import {serveRegistry} from '../../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createImage, createLayer} from '../../support/images.ts'
import {keepImage} from '../../support/kept-image.ts'
import {runOk} from '../../support/run-program.ts'
import {mountSmallDisk} from '../../support/small-disk.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const MIB = 1024 * 1024
const NAME = 'upstream.example.com'
const image = createImage([createLayer('app', 'cached')])
const large = createImage([createLayer('large', 'not cached', 6 * MIB)])

describe('the health of a server', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let folder: string
  let count = 0

  before(async () => {
    directory = await createTemporaryDirectory('health')
    afterwards(directory.remove)
  })

  beforeEach(async () => {
    folder = join(directory.path, String(count++))
    await mkdir(folder)
  })

  const openDisk = async (): Promise<MirrorCache> => createDiskCache({disk: createFilesystemStore({root: folder})})

  /** A mirror over `folder`, whose upstream has `large`, or cannot be reached. */
  async function startMirror(
    upstream: 'up' | 'down',
    options: Partial<MirrorOptions> = {},
    openCache: () => Promise<MirrorCache> = openDisk,
  ): Promise<ServedMirror & {readonly url: string}> {
    const source = createFilesystemStore({root: join(directory.path, 'upstream')})
    afterwards(() => source.close())
    await keepImage(source, 'shop/large', large, {tag: 'v1'})
    const down = async (): Promise<never> => {
      throw new HoldfastError('NETWORK', 'connection refused', {details: {requestSent: false}})
    }
    const store = upstream === 'up' ? source : {...source, statManifest: down, readManifest: down, statBlob: down, readBlob: down}
    const served = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      upstreams: [
        {
          name: NAME,
          path: parseRepositoryName(NAME),
          store,
          openCache,
        },
      ],
      ...options,
    })
    afterwards(() => served.stop({graceMs: 0}))
    return {...served, url: `http://127.0.0.1:${served.address.port}`}
  }

  async function cacheImage(): Promise<void> {
    const store = createFilesystemStore({root: folder})
    await keepImage(store, 'shop/web', image, {tag: 'v1'})
    await store.close()
  }

  const readiness = async (url: string): Promise<readonly [number, unknown]> => {
    const response = await fetch(`${url}/readyz`)
    return [response.status, await response.json()]
  }

  it('is open to every network, and metrics are not', async () => {
    const accessControl = createNetworkAccess(createAddressPolicy(['10.0.0.0/8']))
    const {url} = await startMirror('up', {accessControl})
    assert.deepEqual(await readiness(url), [200, {status: 'ok'}])
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    assert.equal((await fetch(`${url}/metrics`)).status, 403)
    assert.equal((await fetch(`${url}/v2/`)).status, 403)
    const allowed = await startMirror('up', {accessControl: createNetworkAccess(createAddressPolicy(['127.0.0.0/8']))})
    assert.equal((await fetch(`${allowed.url}/metrics`)).status, 200)
  })

  it('stays ready while its upstream is down, and says so without a name', async () => {
    const {url} = await startMirror('down')
    assert.equal((await fetch(`${url}/v2/shop/web/manifests/v1`)).status, 503)
    const [status, body] = await readiness(url)
    assert.deepEqual([status, body], [200, {status: 'ok', degraded: ['upstream paused']}])
  })

  it('stays ready without the registry that keeps its images while the upstream answers, and is not without both', async () => {
    const silent = () => new Promise<never>(() => {})
    const failing = async (): Promise<never> => {
      throw new HoldfastError('NETWORK', 'connection refused')
    }
    for (const statManifest of [silent, failing]) {
      const openCache = async () => ({...createDiskCache({disk: createFilesystemStore({root: folder})}), health: undefined, statManifest})
      const {url} = await startMirror('up', {}, openCache)
      assert.deepEqual(await readiness(url), [200, {status: 'ok', degraded: ['store unreachable']}])
    }
    const openCache = async () => ({
      ...createDiskCache({disk: createFilesystemStore({root: folder})}),
      health: undefined,
      statManifest: failing,
    })
    const {url} = await startMirror('down', {}, openCache)
    assert.equal((await fetch(`${url}/v2/shop/web/manifests/v1`)).status, 503)
    assert.deepEqual(await readiness(url), [503, {status: 'not ready', degraded: ['store unreachable', 'upstream paused']}])
  })

  it('is the same for the embedded registry, in front of which no name is checked', async () => {
    await cacheImage()
    const served = await serveRegistry({host: '127.0.0.1', port: 0, dataDirectory: folder})
    afterwards(() => served.stop({graceMs: 0}))
    const url = `http://127.0.0.1:${served.address.port}`
    assert.deepEqual(await readiness(url), [200, {status: 'ok'}])
    assert.equal((await fetch(`${url}/readyz`, {method: 'POST'})).status, 405)
  })

  it('stays ready on a full disk, from which cached images are served', async function () {
    const disk = await mountSmallDisk(this, folder, 4 * MIB)
    try {
      await cacheImage()
      const mirror = await startMirror('up')
      await runOk('fallocate', ['-l', String(3900 * 1024), join(folder, 'ballast')])
      const manifest = await fetch(`${mirror.url}/v2/shop/large/manifests/v1`)
      assert.equal(manifest.status, 200, 'what cannot be kept is passed on')
      const layer = large.blobs.toSorted((a, b) => b.bytes.length - a.bytes.length)[0]
      const passed = await fetch(`${mirror.url}/v2/shop/large/blobs/${layer?.digest}`)
      assert.equal((await passed.arrayBuffer()).byteLength, layer?.bytes.length)
      assert.deepEqual(await readiness(mirror.url), [200, {status: 'ok', degraded: ['disk full']}])
      // The upstream never had this image: only the disk can serve it, and does so at once.
      const cached = await fetch(`${mirror.url}/v2/shop/web/manifests/${image.digest}`)
      assert.equal(cached.status, 200)
      for (const {digest, bytes} of image.blobs) {
        const blob = await fetch(`${mirror.url}/v2/shop/web/blobs/${digest}`)
        assert.deepEqual([blob.status, (await blob.arrayBuffer()).byteLength], [200, bytes.length])
      }
      await mirror.stop({graceMs: 0})
    } finally {
      await disk.unmount()
    }
  })

  it('stays ready on a read-only disk, from which cached images are served', async function () {
    const disk = await mountSmallDisk(this, folder, 4 * MIB)
    try {
      await cacheImage()
      await runOk('mount', ['-o', 'remount,ro', folder])
      const mirror = await startMirror('up')
      assert.equal((await fetch(`${mirror.url}/v2/shop/large/manifests/v1`)).status, 200)
      assert.deepEqual(await readiness(mirror.url), [200, {status: 'ok', degraded: ['disk read-only']}])
      const cached = await fetch(`${mirror.url}/v2/shop/web/manifests/${image.digest}`)
      assert.equal(cached.status, 200)
      const store = createFilesystemStore({root: folder})
      const [blob] = image.blobs
      assert.equal(await store.statBlob(parseRepositoryName('shop/web'), parseDigest(blob?.digest ?? '')), blob?.bytes.length)
      await store.close()
      await mirror.stop({graceMs: 0})
    } finally {
      await disk.unmount()
    }
  })
})
