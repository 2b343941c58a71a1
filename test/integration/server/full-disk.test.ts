/** Servers on a disk that is full: what was refused leaves nothing behind, and what was abandoned goes. */
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {mkdir, readdir, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {openCollectorStore} from '../../../src/lib/collector/sql/open.ts'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {serveMirror} from '../../../src/lib/server/mirror.ts'
import {type ServedRegistry, serveRegistry} from '../../../src/lib/server/serve.ts'
import {mountSmallDisk} from '../../support/small-disk.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'

const INDEX = 'application/vnd.oci.image.index.v1+json'
const MIB = 1024 * 1024
const DISK_BYTES = 8 * MIB
const HOUR_MS = 60 * 60 * 1000
const UPLOAD = '11111111-1111-4111-8111-111111111111'

interface PushResult {
  readonly status: number
  /** Where the upload session is, or was. */
  readonly session: string
}

/** Pushes a blob in one chunk of unknown length, and makes a blob of it. */
async function push(base: string, bytes: Buffer<ArrayBuffer>): Promise<PushResult> {
  const opened = await fetch(`${base}/v2/app/blobs/uploads/`, {method: 'POST'})
  const session = `${base}${opened.headers.get('location')}`
  const body = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += MIB) controller.enqueue(bytes.subarray(at, at + MIB))
      controller.close()
    },
  })
  const sent = await fetch(session, {method: 'PATCH', body, duplex: 'half'} as RequestInit)
  if (sent.status !== 202) return {status: sent.status, session}
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  return {status: (await fetch(`${session}?digest=${digest}`, {method: 'PUT'})).status, session}
}

function uploadsOf(root: string, repository: string): string {
  return join(root, 'docker/registry/v2/repositories', repository, '_uploads')
}

/** An upload that a client began so long ago and did not end. */
async function abandonUpload(root: string, repository: string, sizeBytes: number, ageMs: number): Promise<string> {
  const uploads = uploadsOf(root, repository)
  await mkdir(join(uploads, UPLOAD), {recursive: true})
  const past = new Date(Date.now() - ageMs)
  await writeFile(join(uploads, UPLOAD, 'startedat'), past.toISOString())
  await writeFile(join(uploads, UPLOAD, 'data'), Buffer.alloc(sizeBytes))
  await utimes(join(uploads, UPLOAD, 'data'), past, past)
  return uploads
}

describe('a server on a full disk', function () {
  this.timeout(180_000)
  let directory: TemporaryDirectory

  beforeEach(async () => {
    directory = await createTemporaryDirectory('full-disk')
  })

  afterEach(async () => {
    await directory.remove()
  })

  async function withServer(work: (base: string, served: ServedRegistry) => Promise<void>, maxSizeBytes?: number): Promise<void> {
    const served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0, maxSizeBytes})
    try {
      await work(`http://127.0.0.1:${served.address.port}`, served)
    } finally {
      await served.stop({graceMs: 0})
    }
  }

  it('answers 507 once, forgets that upload, and takes the next push, also after a restart', async function () {
    const disk = await mountSmallDisk(this, directory.path, DISK_BYTES)
    try {
      await withServer(async (base) => {
        const refused = await push(base, randomBytes(3 * DISK_BYTES))
        assert.equal(refused.status, 507)
        assert.equal((await fetch(refused.session)).status, 404)
        assert.equal((await push(base, randomBytes(2 * MIB))).status, 201)
        assert.equal((await push(base, randomBytes(DISK_BYTES))).status, 507)
      })
      assert.deepEqual(await readdir(uploadsOf(directory.path, 'app')), [])
      await withServer(async (base) => assert.equal((await push(base, randomBytes(2 * MIB))).status, 201))
    } finally {
      await disk.unmount()
    }
  })

  it('takes no more than the operator allows, and counts what is there when it starts', async () => {
    const limit = 4 * MIB
    await withServer(async (base) => {
      const statuses = []
      for (const size of [3, 2, 0.5]) statuses.push((await push(base, randomBytes(size * MIB))).status)
      assert.deepEqual(statuses, [201, 507, 201])
    }, limit)
    await withServer(async (base) => {
      assert.equal((await push(base, randomBytes(MIB))).status, 507)
      const {degraded} = (await (await fetch(`${base}/readyz`)).json()) as {degraded?: readonly string[]}
      assert.deepEqual(degraded ?? [], [])
      assert.equal((await push(base, randomBytes(0.4 * MIB))).status, 201)
    }, limit)
    await withServer(async (base) => assert.equal((await push(base, randomBytes(MIB))).status, 201))
  })

  it('keeps room for the collector beside it, however many manifests and uploads a client begins', async function () {
    const disk = await mountSmallDisk(this, directory.path, 64 * MIB)
    const collector = await openCollectorStore({file: join(directory.path, 'collector.db')})
    try {
      await writeFile(join(directory.path, 'filler'), Buffer.alloc(52 * MIB))
      await withServer(async (base) => {
        assert.equal((await push(base, randomBytes(16 * MIB))).status, 507)
        const refused = async (send: (count: number) => Promise<number>): Promise<number> => {
          for (let count = 0; count < 10_000; count++) {
            const status = await send(count)
            if (status >= 400) return status
          }
          return 0
        }
        const index = (count: number) =>
          JSON.stringify({schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: {count: `${count}`, fill: 'x'.repeat(100_000)}})
        const manifests = await refused(async (count) => {
          const headers = {'content-type': INDEX}
          return (await fetch(`${base}/v2/app/manifests/t${count}`, {method: 'PUT', headers, body: index(count)})).status
        })
        const uploads = await refused(async (count) => (await fetch(`${base}/v2/app-${count}/blobs/uploads/`, {method: 'POST'})).status)
        assert.deepEqual([manifests, uploads], [507, 507])
      })
      const entry = {
        requestId: 'r',
        principal: 'ann',
        address: '-',
        action: 'pull',
        object: 'x'.repeat(100),
        outcome: 'granted',
        rule: 'U1',
      } as const
      for (let count = 0; count < 60; count++) await collector.appendAudit([entry])
      assert.equal((await collector.listAudit({limit: 1000})).length, 60)
    } finally {
      await collector.close()
      await disk.unmount()
    }
  })

  it('makes room of what other clients abandoned when a push finds none', async function () {
    const disk = await mountSmallDisk(this, directory.path, DISK_BYTES)
    try {
      await withServer(async (base) => {
        const uploads = await abandonUpload(directory.path, 'other', 6 * MIB, 2 * HOUR_MS)
        const fresh = join(uploadsOf(directory.path, 'fresh'), UPLOAD)
        await abandonUpload(directory.path, 'fresh', 1000, 0)
        const bytes = randomBytes(4 * MIB)
        assert.equal((await push(base, bytes)).status, 507)
        await until(async () => (await readdir(uploads)).length === 0)
        assert.equal((await push(base, bytes)).status, 201)
        assert.deepEqual((await readdir(fresh)).sort(), ['data', 'startedat'])
      })
    } finally {
      await disk.unmount()
    }
  })

  it('removes abandoned uploads when it starts, as a registry and as a mirror', async () => {
    const week = 7 * 24 * HOUR_MS + 60_000
    const uploads = await abandonUpload(directory.path, 'app', 10, week)
    await withServer(async () => await until(async () => (await readdir(uploads)).length === 0))

    await abandonUpload(directory.path, 'app', 10, week)
    const upstream = createFilesystemStore({root: join(directory.path, 'upstream')})
    const name = 'upstream.example.com'
    const mirror = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      upstreams: [
        {
          name,
          path: parseRepositoryName(name),
          store: upstream,
          openCache: async () => createDiskCache({disk: createFilesystemStore({root: directory.path})}),
        },
      ],
    })
    try {
      await until(async () => (await readdir(uploads)).length === 0)
    } finally {
      await mirror.stop()
      await upstream.close()
    }
  })
})
