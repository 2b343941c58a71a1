import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {mkdtemp, readdir, rm, utimes, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {STALE_UPLOAD_MS} from '../../../src/lib/content/filesystem/uploads.ts'
import {readBlobBytes} from '../../../src/lib/content/read-bytes.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {describeBlob, sourceOf} from '../../contract/content-store.ts'

const repository = parseRepositoryName('team/app')
const LARGE_BYTES = 11 * 1024 * 1024

async function failure(promise: Promise<unknown>, code: ErrorCode): Promise<HoldfastError> {
  const error: unknown = await promise.then(
    () => assert.fail('it went well'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof HoldfastError, String(error))
  assert.equal(error.code, code, error.message)
  return error
}

describe('upload sessions of the filesystem store', () => {
  let root: string
  let store: FilesystemStore

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-uploads-'))
    store = createFilesystemStore({root})
  })

  afterEach(async () => {
    await store.close()
    await rm(root, {recursive: true})
  })

  function uploadsDirectory(): string {
    return join(root, 'docker', 'registry', 'v2', 'repositories', repository, '_uploads')
  }

  it('makes a blob of what came in several pieces, and leaves nothing of the session', async () => {
    const bytes = randomBytes(LARGE_BYTES)
    const id = await store.startUpload(repository)
    assert.equal(await store.statUpload(repository, id), 0)
    let offset = 0
    for (const size of [1, 5_000_000, 3_000_000, LARGE_BYTES - 8_000_001]) {
      offset = await store.appendUpload(
        repository,
        id,
        offset,
        sourceOf(Buffer.concat([Buffer.alloc(offset), bytes.subarray(offset, offset + size)])),
      )
      assert.equal(await store.statUpload(repository, id), offset)
    }
    assert.deepEqual(await store.finishUpload(repository, id, digestOf(bytes)), describeBlob(bytes))
    assert.equal((await readBlobBytes(store, repository, describeBlob(bytes), LARGE_BYTES)).equals(bytes), true)
    assert.equal(await store.statUpload(repository, id), undefined)
    assert.deepEqual(await readdir(uploadsDirectory()), [])
  })

  it('goes on after a restart where the last process stopped', async () => {
    const bytes = randomBytes(LARGE_BYTES)
    const id = await store.startUpload(repository)
    await assert.rejects(
      store.appendUpload(repository, id, 0, async (sink) => {
        await sourceOf(bytes.subarray(0, 7_000_000))(sink, 0)
        throw new Error('gone')
      }),
      /gone/,
    )
    const next = createFilesystemStore({root})
    const offset = await next.statUpload(repository, id)
    assert.equal(offset, 7_000_000)
    await next.appendUpload(repository, id, 7_000_000, sourceOf(bytes))
    await next.finishUpload(repository, id, digestOf(bytes))
    await next.close()
    assert.equal(await store.statBlob(repository, digestOf(bytes)), LARGE_BYTES)
  })

  it('refuses an offset that is not its own and says which one is', async () => {
    const id = await store.startUpload(repository)
    await store.appendUpload(repository, id, 0, sourceOf(Buffer.from('abc')))
    for (const wrong of [0, 2, 4]) {
      const error = await failure(
        store.appendUpload(repository, id, wrong, () => assert.fail('the source was asked')),
        'CONFLICT',
      )
      assert.equal(error.details.offset, 3)
    }
  })

  it('refuses a second writer while the first one writes', async () => {
    const id = await store.startUpload(repository)
    let letGo: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const first = store.appendUpload(repository, id, 0, async () => await held)
    await failure(store.appendUpload(repository, id, 0, sourceOf(Buffer.from('x'))), 'CONFLICT')
    await failure(store.finishUpload(repository, id, digestOf(Buffer.alloc(0))), 'CONFLICT')
    letGo()
    assert.equal(await first, 0)
  })

  it('refuses a wrong digest, shows nothing, and ends the session', async () => {
    for (const size of [10, LARGE_BYTES]) {
      const id = await store.startUpload(repository)
      const wrong = digestOf(Buffer.from(`not ${size}`))
      await store.appendUpload(repository, id, 0, sourceOf(randomBytes(size)))
      await failure(store.finishUpload(repository, id, wrong), 'INTEGRITY')
      assert.equal(await store.statBlob(repository, wrong), undefined)
      assert.equal(await store.statUpload(repository, id), undefined)
    }
  })

  it('takes a sha512 digest at the end, though it could not know before', async () => {
    const bytes = randomBytes(LARGE_BYTES)
    const id = await store.startUpload(repository)
    await store.appendUpload(repository, id, 0, sourceOf(bytes))
    const digest = digestOf(bytes, 'sha512')
    await store.finishUpload(repository, id, digest)
    assert.equal(await store.statBlob(repository, digest), LARGE_BYTES)
  })

  it('knows no session by a name that is not a uuid, wherever it points', async () => {
    await store.startUpload(repository)
    for (const id of ['..', '../../_uploads', '', '.', '00000000-0000-0000-0000-000000000000', `${'a'.repeat(300)}`, 'x\0y']) {
      assert.equal(await store.statUpload(repository, id), undefined)
      assert.equal(await store.cancelUpload(repository, id), false)
      await failure(store.appendUpload(repository, id, 0, sourceOf(Buffer.from('x'))), 'BLOB_NOT_FOUND')
      await failure(store.finishUpload(repository, id, digestOf(Buffer.alloc(0))), 'BLOB_NOT_FOUND')
    }
    assert.equal((await readdir(uploadsDirectory())).length, 1)
  })

  it('cancels a session once', async () => {
    const id = await store.startUpload(repository)
    await store.appendUpload(repository, id, 0, sourceOf(Buffer.from('abc')))
    assert.equal(await store.cancelUpload(repository, id), true)
    assert.equal(await store.cancelUpload(repository, id), false)
  })

  it('purges what nobody wrote to for seven days, and only that', async () => {
    const [stale, fresh] = [await store.startUpload(repository), await store.startUpload(repository)]
    const past = new Date(Date.now() - STALE_UPLOAD_MS - 60_000)
    await utimes(join(uploadsDirectory(), stale, 'data'), past, past)
    const temporaries = join(root, 'docker', 'registry', 'v2', '_holdfast', 'tmp')
    const blob = randomBytes(5)
    await store.writeBlob(repository, describeBlob(blob), sourceOf(blob))
    await writeFile(join(temporaries, 'left'), 'x')
    await utimes(join(temporaries, 'left'), past, past)
    await writeFile(join(temporaries, 'young'), 'x')
    assert.equal(await store.purgeStaleUploads(), 1)
    assert.deepEqual(await readdir(uploadsDirectory()), [fresh])
    assert.deepEqual(await readdir(temporaries), ['young'])
  })

  it('purges after an hour without a write while the disk is full', async () => {
    const disk = {availableBytes: 1_000_000_000, totalBytes: 2_000_000_000}
    const small = createFilesystemStore({root, measureSpace: async () => disk})
    const [idle, paused] = [await small.startUpload(repository), await small.startUpload(repository)]
    for (const [id, minutes] of [
      [idle, 61],
      [paused, 59],
    ] as const) {
      const past = new Date(Date.now() - minutes * 60_000)
      await utimes(join(uploadsDirectory(), id, 'data'), past, past)
    }
    assert.equal(await small.purgeStaleUploads(), 0)
    disk.availableBytes = 1000
    assert.equal(await small.purgeStaleUploads(), 1)
    assert.deepEqual(await readdir(uploadsDirectory()), [paused])
    await small.close()
  })

  it('leaves no session behind when a blob is refused', async () => {
    const blob = describeBlob(randomBytes(50))
    await failure(store.writeBlob(repository, blob, sourceOf(randomBytes(50))), 'INTEGRITY')
    assert.deepEqual(await readdir(uploadsDirectory()), [])
  })

  it('stops a source that sends more than the descriptor says', async () => {
    const blob = {...describeBlob(randomBytes(50)), size: 1000}
    let sent = 0
    const endless = store.writeBlob(repository, blob, async (sink, _start, signal) => {
      while (signal?.aborted !== true) {
        sent += 600
        await new Promise<void>((resolve) => void sink.write(Buffer.alloc(600), resolve))
      }
    })
    await failure(endless, 'INTEGRITY')
    assert.ok(sent < 5000, `${sent} bytes were sent`)
  })
})
