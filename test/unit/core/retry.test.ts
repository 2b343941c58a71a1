import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {backOffMs, parseRetryAfter, SYSTEM_CLOCK} from '../../../src/lib/core/retry.ts'

const NOW = Date.parse('2026-11-20T12:00:00Z')

describe('Retry-After', () => {
  for (const [value, expected] of [
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['Fri, 20 Nov 2026 12:00:30 GMT', 30_000],
    ['Fri, 20 Nov 2026 11:00:00 GMT', 0],
    ['880µs', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['2026', 2_026_000],
    ['999999999', 3_600_000],
    ['Fri, 20 Nov 2060 12:00:00 GMT', 3_600_000],
    ['2026-11-20', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const)
    it(`of ${JSON.stringify(value)} is ${expected === undefined ? 'ignored' : `${expected} ms`}`, () => {
      assert.equal(parseRetryAfter(value, NOW), expected)
    })
})

describe('back-off', () => {
  it('doubles up to its limit and stays within half and the whole of the bound', () => {
    const bounds = {baseMs: 100, maxMs: 1000}
    const at = (random: number) => [1, 2, 3, 4, 5, 60].map((attempt) => backOffMs(attempt, {random: () => random}, bounds))
    assert.deepEqual(at(0), [50, 100, 200, 400, 500, 500])
    assert.deepEqual(at(1), [100, 200, 400, 800, 1000, 1000])
  })

  it('ends at once when the signal fires, before or meanwhile', async () => {
    const stop = new AbortController()
    const waiting = SYSTEM_CLOCK.sleep(60_000, stop.signal)
    stop.abort()
    await assert.rejects(waiting, (error) => hasCode(error, 'INTERRUPTED'))
    await assert.rejects(SYSTEM_CLOCK.sleep(60_000, stop.signal), (error) => hasCode(error, 'INTERRUPTED'))
  })
})
