import assert from 'node:assert/strict'
import {formatBytes, formatCount, formatMinute} from '../../../src/lib/cli/units.ts'
import {formatSeconds} from '../../../src/lib/core/duration.ts'

describe('numbers for people', () => {
  const sizes: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [3_420_000, '3.42 MB'],
    [999_600, '1.00 MB'],
    [123_456_789, '123 MB'],
    [1_200_000_000, '1.20 GB'],
    [-5, '0 B'],
  ]
  for (const [bytes, text] of sizes) it(`show ${bytes} bytes as ${text}`, () => assert.equal(formatBytes(bytes), text))

  const times: readonly (readonly [number, string])[] = [
    [7.6, '8 s'],
    [59.7, '1 min 0 s'],
    [125, '2 min 5 s'],
    [12_000, '3 h 20 min'],
    [-1, '0 s'],
  ]
  for (const [seconds, text] of times) it(`show ${seconds} seconds as ${text}`, () => assert.equal(formatSeconds(seconds), text))

  it('show a time to the minute', () => assert.equal(formatMinute('2026-11-20T09:05:59.999Z'), '2026-11-20 09:05'))

  it('count one and many', () => {
    assert.deepEqual(
      [formatCount(1, 'blob'), formatCount(0, 'blob'), formatCount(2, 'registry', 'registries')],
      ['1 blob', '0 blobs', '2 registries'],
    )
  })
})
