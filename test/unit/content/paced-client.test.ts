import assert from 'node:assert/strict'
import {PacedClient} from '../../../src/lib/content/remote/paced-client.ts'
import {AdaptiveLimit} from '../../../src/lib/core/concurrency.ts'
import {type ErrorCode, HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {ManualClock} from '../../support/manual-clock.ts'

describe('a server that fails', () => {
  const attempts = async (code: ErrorCode, retriesTimeouts: boolean | undefined): Promise<number> => {
    let count = 0
    const clock = new ManualClock(0)
    clock.sleep = async () => {}
    const client = new PacedClient({
      http: {
        request: async () => {
          count++
          throw new HoldfastError(code, 'no answer')
        },
        close: () => {},
      },
      clock,
      rateLimitWaitMs: 0,
      limit: new AdaptiveLimit({initial: 1, max: 1}),
      retriesTimeouts,
    })
    await assert.rejects(client.request({method: 'GET', url: new URL('https://u.example/v2/')}), (error) => hasCode(error, code))
    return count
  }

  it('is asked again after broken connections, and after silence only where waiting is the better choice', async () => {
    assert.ok((await attempts('NETWORK', undefined)) > 1)
    assert.ok((await attempts('NETWORK', false)) > 1)
    assert.ok((await attempts('TIMEOUT', undefined)) > 1)
    assert.equal(await attempts('TIMEOUT', false), 1)
  })
})
