import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import type {BlobSource} from '../../../src/lib/content/store.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createRawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'
import {describeBlob, sourceOf} from '../../contract/content-store.ts'
import {mountSmallDisk} from '../../support/small-disk.ts'

const run = promisify(execFile)
const repository = parseRepositoryName('team/app')
const MIB = 1024 * 1024
const DISK_BYTES = 8 * MIB
const TOP = join('docker', 'registry', 'v2')
const EMPTY_INDEX = JSON.stringify({schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: []})

function uploadsDirectory(root: string): string {
  return join(root, TOP, 'repositories', repository, '_uploads')
}

async function storageFailure(promise: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await promise.then(
    () => assert.fail('it went well'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof HoldfastError, String(error))
  assert.equal(error.code, 'STORAGE')
  return error
}

describe('the filesystem store on a bad disk', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
  })

  afterEach(async () => {
    await rm(directory, {recursive: true})
  })

  it('names the place when a file is where its directory should be', async () => {
    await writeFile(join(directory, 'docker'), '')
    const store = createFilesystemStore({root: directory})
    const error = await storageFailure(store.writeBlob(repository, describeBlob(randomBytes(3)), sourceOf(randomBytes(3))))
    assert.match(error.message, /^cannot store blob "sha256:[0-9a-f]+": a file is where a directory should be$/)
    assert.deepEqual(error.hints, [`ls -ld ${directory}`])
    await store.close()
  })

  it('says that the disk is full, stops the source, leaves no partial upload, and works once there is room', async function () {
    const disk = await mountSmallDisk(this, directory, DISK_BYTES)
    const store = createFilesystemStore({root: disk.path})
    try {
      const large = randomBytes(3 * DISK_BYTES)
      const id = await store.startUpload(repository)
      const error = await storageFailure(store.appendUpload(repository, id, 0, sourceOf(large)))
      assert.match(error.message, /the disk is full: [0-9]+ bytes are left( for blobs)?$/)
      assert.deepEqual(error.hints, [`df -h ${disk.path}`])
      assert.equal(await store.statUpload(repository, id), undefined)
      const half = randomBytes(DISK_BYTES / 2)
      assert.equal(await store.writeBlob(repository, describeBlob(half), sourceOf(half)), 'uploaded')
    } finally {
      await store.close()
      await disk.unmount()
    }
  })

  it('leaves nothing of a push that another program left no room for, and takes the next one', async function () {
    const disk = await mountSmallDisk(this, directory, DISK_BYTES)
    const store = createFilesystemStore({root: disk.path})
    try {
      const id = await store.startUpload(repository)
      const filler = join(disk.path, 'filler')
      const error = await storageFailure(
        store.appendUpload(repository, id, 0, async (sink, _start, signal) => {
          const push = (): Promise<void> => new Promise((resolve) => void sink.write(randomBytes(64 * 1024), resolve))
          await push()
          await run('sh', ['-c', 'cat /dev/zero > "$0" 2>/dev/null || true', filler])
          while (signal?.aborted !== true) await push()
        }),
      )
      assert.equal(error.details.errno, 'ENOSPC')
      assert.equal(await store.statUpload(repository, id), undefined)
      assert.deepEqual(await readdir(uploadsDirectory(disk.path)), [])
      await run('sh', ['-c', 'cat /dev/zero > "$0" 2>/dev/null || true', filler])
      const image = createRawManifest(MEDIA_TYPE.ociIndex, Buffer.from(EMPTY_INDEX))
      await storageFailure(store.writeManifest(repository, parseTag('v1'), image))
      // The folder is made with the first file in it.
      const temporary = await readdir(join(disk.path, TOP, '_holdfast', 'tmp')).catch(() => [])
      assert.deepEqual(temporary, [])
      await rm(filler)
      const blob = randomBytes(DISK_BYTES / 2)
      assert.equal(await store.writeBlob(repository, describeBlob(blob), sourceOf(blob)), 'uploaded')
      await store.writeManifest(repository, parseTag('v1'), image)
    } finally {
      await store.close()
      await disk.unmount()
    }
  })

  it('asks a source for nothing that the disk has no room for', async () => {
    const store = createFilesystemStore({root: directory, measureSpace: async () => ({availableBytes: 2000, totalBytes: 16_000})})
    const asked: BlobSource = () => assert.fail('the source was asked')
    await storageFailure(store.writeBlob(repository, describeBlob(randomBytes(1001)), asked))
    const fits = randomBytes(1000)
    assert.equal(await store.writeBlob(repository, describeBlob(fits), sourceOf(fits)), 'uploaded')
    assert.deepEqual(await readdir(uploadsDirectory(directory)), [])
    await store.close()
  })

  it('keeps a reserve, out of which an image is completed whose blobs have arrived', async () => {
    const disk = {availableBytes: 1_000_000_000, totalBytes: 2_000_000_000_000}
    const store = createFilesystemStore({root: directory, measureSpace: async () => disk})
    const config = Buffer.from('{}')
    await store.writeBlob(repository, describeBlob(config), sourceOf(config))
    disk.availableBytes = 64 * 1024 * 1024
    await storageFailure(store.writeBlob(repository, describeBlob(randomBytes(1)), sourceOf(randomBytes(1))))
    const image = createRawManifest(
      MEDIA_TYPE.ociManifest,
      Buffer.from(JSON.stringify({schemaVersion: 2, config: {mediaType: MEDIA_TYPE.ociConfig, ...describeBlob(config)}, layers: []})),
    )
    await store.writeManifest(repository, parseTag('v1'), image)
    assert.equal((await store.readManifest(repository, parseTag('v1')))?.digest, image.digest)
    assert.equal(await store.deleteTag(repository, parseTag('v1')), true)
    await store.close()
  })

  it('stops an upload of unknown length when the reserve is reached, whichever program took the room', async () => {
    const disk = {availableBytes: 200 * MIB, totalBytes: 2_000 * MIB}
    const store = createFilesystemStore({root: directory, measureSpace: async () => disk})
    const id = await store.startUpload(repository)
    let sentBytes = 0
    const endless: BlobSource = async (sink, _start, signal) => {
      while (signal?.aborted !== true && sentBytes < 100 * MIB) {
        await new Promise<void>((resolve) => void sink.write(Buffer.alloc(MIB), resolve))
        sentBytes += MIB
        if (sentBytes === 20 * MIB) disk.availableBytes = 60 * MIB
      }
    }
    await storageFailure(store.appendUpload(repository, id, 0, endless))
    assert.ok(sentBytes < 50 * MIB, `${sentBytes} bytes were taken`)
    assert.equal(await store.statUpload(repository, id), undefined)
    await store.close()
  })

  it('goes on where a file system does not tell its size', async () => {
    const store = createFilesystemStore({root: directory, measureSpace: async () => undefined})
    const blob = randomBytes(1000)
    assert.equal(await store.writeBlob(repository, describeBlob(blob), sourceOf(blob)), 'uploaded')
    await store.close()
  })

  it('writes nothing when it is only read', async () => {
    const store = createFilesystemStore({root: join(directory, 'none')})
    assert.equal(await store.statBlob(repository, describeBlob(randomBytes(1)).digest), undefined)
    assert.deepEqual(await store.listReferrers(repository, describeBlob(randomBytes(1)).digest), [])
    for await (const name of store.listRepositories()) assert.fail(name)
    for await (const tag of store.listTags(repository)) assert.fail(tag)
    await store.close()
    await rm(join(directory, 'none'), {recursive: true}).then(
      () => assert.fail('the directory was made'),
      () => undefined,
    )
  })
})
