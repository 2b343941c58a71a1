import assert from 'node:assert/strict'
import {AdaptiveLimit} from '../../../src/lib/core/concurrency.ts'

describe('an adaptive limit', () => {
  it('grows by one for each window of successes, up to its maximum', () => {
    const limit = new AdaptiveLimit({initial: 1, max: 3})
    const grown = [1, 2, 3, 4, 5, 6, 7].map(() => {
      limit.succeeded()
      return limit.current
    })
    assert.deepEqual(grown, [2, 2, 3, 3, 3, 3, 3])
  })

  it('is halved once for a burst of refusals, and never below one', () => {
    let now = 0
    const limit = new AdaptiveLimit({initial: 12, max: 16, now: () => now})
    for (now of [0, 10, 99]) limit.refused()
    assert.equal(limit.current, 6)
    for (now of [100, 200, 300, 400]) limit.refused()
    assert.equal(limit.current, 1)
  })
})
