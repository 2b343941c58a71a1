import assert from 'node:assert/strict'
import {writeFileSync} from 'node:fs'
import {mkdtemp, readdir, readFile, rm, utimes, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {LayoutDirectory} from '../../../src/lib/content/oci-layout/directory.ts'
import {withFileLock} from '../../../src/lib/content/oci-layout/file-lock.ts'
import {addEntry, IndexFile} from '../../../src/lib/content/oci-layout/index-file.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'

const entry = (name: string) => ({mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(Buffer.from(name)), size: name.length})

describe('the lock of an image layout', () => {
  let directory: string
  let lock: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'))
    lock = join(directory, 'lock')
  })

  afterEach(async () => {
    await rm(directory, {recursive: true})
  })

  it('lets one change happen after the other, and goes away', async () => {
    let inside = 0
    await Promise.all(
      Array.from({length: 8}, async () => {
        await withFileLock(lock, async () => {
          inside += 1
          assert.equal(inside, 1)
          await delay(3)
          inside -= 1
        })
      }),
    )
    assert.deepEqual(await readdir(directory), [])
  })

  it('breaks a lock that a dead process left', async () => {
    await writeFile(lock, 'dead')
    const past = new Date(Date.now() - 60_000)
    await utimes(lock, past, past)
    assert.equal(await withFileLock(lock, async () => 'changed'), 'changed')
    assert.deepEqual(await readdir(directory), [])
  })

  it('does not confirm to a holder who lost it, and leaves the lock to the new one', async () => {
    await assert.rejects(
      withFileLock(lock, async (confirm) => {
        await writeFile(lock, 'another')
        await confirm()
      }),
      (error) => hasCode(error, 'CONFLICT'),
    )
    assert.deepEqual(await readdir(directory), ['lock'])
  })

  it('is confirmed before the index is written: a holder who stood still for too long changes nothing', async () => {
    const layout = new LayoutDirectory(directory)
    await layout.create()
    const index = new IndexFile(layout)
    await index.change(addEntry(entry('one')))
    const before = await readFile(layout.indexFile, 'utf8')
    await assert.rejects(
      index.change((entries) => {
        writeFileSync(layout.indexLock, 'another')
        return addEntry(entry('two'))(entries)
      }),
      (error) => hasCode(error, 'CONFLICT') && error.message.includes('another process took the lock'),
    )
    assert.equal(await readFile(layout.indexFile, 'utf8'), before)
    assert.equal(await readFile(layout.indexLock, 'utf8'), 'another', 'the lock of the other one stays')
  })
})
