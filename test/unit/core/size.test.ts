import assert from 'node:assert/strict'
import {parseSize} from '../../../src/lib/core/size.ts'

describe('a size', () => {
  it('is read with its unit, decimal or binary', () => {
    for (const [text, bytes] of [
      ['1B', 1],
      ['2kB', 2_000],
      ['500GB', 500e9],
      ['1.5TB', 1.5e12],
      ['200 MiB', 200 * 2 ** 20],
      ['3TiB', 3 * 2 ** 40],
    ] as const) {
      assert.equal(parseSize(text), bytes, text)
    }
  })

  it('is undefined for anything else', () => {
    for (const text of ['', '5', 'GB', '0GB', '-1GB', '1gb', '1 G', '1e9B', '1.5.5MB', '99999999TB', '5GB '])
      assert.equal(parseSize(text), undefined, text)
  })
})
