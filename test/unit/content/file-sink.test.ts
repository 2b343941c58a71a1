import assert from 'node:assert/strict'
import {open, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {FileSink} from '../../../src/lib/content/disk/file-sink.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

describe('a file sink', () => {
  const afterwards = cleanUpAfterwards()

  it('asks the giver to wait after some thousand slices, however small they are, and writes them all', async () => {
    const directory = await createTemporaryDirectory('file-sink')
    afterwards(directory.remove)
    const path = join(directory.path, 'blob')
    const file = await open(path, 'w')
    const sink = new FileSink(file, {position: 0})
    let given = 0
    let released = 0
    let goesOn = true
    while (goesOn && given < 100_000) {
      goesOn = sink.write(Buffer.from([given++ % 256]), () => void released++)
    }
    assert.ok(!goesOn, 'a hundred thousand slices of one byte were taken at once')
    await sink.drain()
    await file.close()
    assert.equal(released, given)
    assert.deepEqual(await readFile(path), Buffer.from(Array.from({length: given}, (_, index) => index % 256)))
  })
})
