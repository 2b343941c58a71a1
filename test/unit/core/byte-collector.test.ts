import assert from 'node:assert/strict'
import fc from 'fast-check'
import {ByteCollector} from '../../../src/lib/core/byte-collector.ts'

describe('a byte collector', () => {
  it('returns what was added, however it was cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({maxLength: 300}), {maxLength: 50}), (pieces) => {
        const collector = new ByteCollector(Number.POSITIVE_INFINITY)
        for (const piece of pieces) assert.equal(collector.add(piece), true)
        assert.ok(collector.bytes.equals(Buffer.concat(pieces)))
      }),
    )
  })

  it('takes exactly its cap, and keeps nothing of the piece that would exceed it', () => {
    const collector = new ByteCollector(4)
    assert.deepEqual(
      [collector.add(Buffer.from('abc')), collector.add(Buffer.from('de')), collector.add(Buffer.from('d'))],
      [true, false, true],
    )
    assert.equal(collector.bytes.toString(), 'abcd')
    assert.equal(collector.add(Buffer.from('e')), false)
  })

  it('keeps copies: the giver may use its buffer again', () => {
    const piece = Buffer.from('abc')
    const collector = new ByteCollector(10)
    collector.add(piece)
    piece.fill(0)
    assert.equal(collector.bytes.toString(), 'abc')
  })

  it('does not change what it has returned when more is added', () => {
    const collector = new ByteCollector(10)
    collector.add(Buffer.from('ab'))
    const before = collector.bytes
    collector.add(Buffer.from('cd'))
    assert.deepEqual([before.toString(), collector.bytes.toString()], ['ab', 'abcd'])
  })

  it('keeps no object for a piece: a million pieces of one byte take about a million bytes', () => {
    const collector = new ByteCollector(Number.POSITIVE_INFINITY)
    const piece = Buffer.from('x')
    const before = process.memoryUsage()
    for (let count = 0; count < 1_000_000; count++) collector.add(piece)
    const after = process.memoryUsage()
    const grownBytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    assert.equal(collector.bytes.length, 1_000_000)
    // Kept pieces took 170 bytes each. What is left over from growing may not have been collected yet.
    assert.ok(grownBytes < 16_000_000, `${grownBytes} bytes`)
  })
})
