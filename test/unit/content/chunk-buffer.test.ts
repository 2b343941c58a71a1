import assert from 'node:assert/strict'
import {ChunkBuffer} from '../../../src/lib/content/remote/chunk-buffer.ts'

describe('a buffer of chunks', () => {
  it('fails at its end with what the giver of the bytes threw, and not before', async () => {
    const sent: number[] = []
    const buffer = new ChunkBuffer(4, async (chunk) => void sent.push(chunk.length))
    const isTaken = buffer.write(Buffer.from('12345'), () => {
      throw new Error('the giver failed')
    })
    assert.equal(isTaken, false)
    await assert.rejects(buffer.end(), /the giver failed/)
    assert.deepEqual(sent, [4])
  })
})
