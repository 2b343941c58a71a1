import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {describeBlob, sourceOf} from '../../contract/content-store.ts'

const run = promisify(execFile)
const repository = parseRepositoryName('team/app')
const DISK_BYTES = 8 * 1024 * 1024

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
    assert.deepEqual(error.hints, [`ls -ld "${directory}"`])
    await store.close()
  })

  it('says that the disk is full, stops the source, leaves no partial upload, and works once there is room', async function () {
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', directory]).then(
      () => true,
      () => false,
    )
    if (!mounted) return this.skip()
    const store = createFilesystemStore({root: directory})
    try {
      const large = randomBytes(3 * DISK_BYTES)
      const error = await storageFailure(store.writeBlob(repository, describeBlob(large), sourceOf(large)))
      assert.match(error.message, /the disk is full$/)
      assert.deepEqual(error.hints, [`df -h "${directory}"`])
      assert.equal(await store.statBlob(repository, describeBlob(large).digest), undefined)
      const half = randomBytes(DISK_BYTES / 2)
      assert.equal(await store.writeBlob(repository, describeBlob(half), sourceOf(half)), 'uploaded')
    } finally {
      await store.close()
      await run('umount', [directory])
    }
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
