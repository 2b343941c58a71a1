import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {mkdtemp, rm, truncate, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {HashThread} from '../../../src/lib/content/disk/trailing-hash.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'

const LARGE_BYTES = 9 * 1024 * 1024 + 5

describe('the hash of a growing file', () => {
  let directory: string
  let thread: HashThread

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-hash-'))
    thread = new HashThread()
  })

  afterEach(async () => {
    await thread.close()
    await rm(directory, {recursive: true})
  })

  it('is that of the bytes, for small and large files at once and for either algorithm', async () => {
    await Promise.all(
      [0, 1, 4 * 1024 * 1024, LARGE_BYTES, LARGE_BYTES + 1].flatMap((size) =>
        (['sha256', 'sha512'] as const).map(async (algorithm) => {
          const bytes = randomBytes(size)
          const path = join(directory, `${size}-${algorithm}`)
          await writeFile(path, bytes)
          const hash = thread.follow(path, algorithm)
          for (let position = 0; position < size; position += 1_000_000) hash.advance(position)
          assert.equal(await hash.finish(size), digestOf(bytes, algorithm))
        }),
      ),
    )
  })

  it('fails when the file is shorter than was said', async () => {
    const path = join(directory, 'short')
    await writeFile(path, randomBytes(LARGE_BYTES))
    await truncate(path, LARGE_BYTES - 10)
    const hash = thread.follow(path, 'sha256')
    hash.advance(LARGE_BYTES)
    await assert.rejects(hash.finish(LARGE_BYTES), /the file ends at byte/)
  })

  it('fails when the thread is closed before it is done', async () => {
    const path = join(directory, 'closed')
    await writeFile(path, randomBytes(LARGE_BYTES))
    const finished = assert.rejects(thread.follow(path, 'sha256').finish(LARGE_BYTES), /closed/)
    await thread.close()
    await finished
  })

  it('starts again from the first byte when the thread that had read a part of the file is gone', async () => {
    const bytes = randomBytes(LARGE_BYTES)
    const path = join(directory, 'begun')
    await writeFile(path, bytes)
    const hash = thread.follow(path, 'sha256')
    hash.advance(LARGE_BYTES - 10)
    await thread.close()
    assert.equal(await hash.finish(LARGE_BYTES), digestOf(bytes, 'sha256'))
  })
})
