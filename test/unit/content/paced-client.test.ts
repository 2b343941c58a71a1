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

  const answered = async (status: number, headers: Readonly<Record<string, string>> = {}) => {
    let count = 0
    const clock = new ManualClock(0)
    clock.sleep = async () => {}
    const request = async () => {
      count++
      return {status, headers, body: Buffer.alloc(0)}
    }
    const limit = new AdaptiveLimit({initial: 1, max: 1})
    const client = new PacedClient({http: {request, close: () => {}}, clock, rateLimitWaitMs: 60_000, limit})
    const outcome: unknown = await client.request({method: 'GET', url: new URL('https://u.example/v2/')}).catch((error: unknown) => error)
    return {outcome, count}
  }

  it('is quoted with the pause that it asks for, however long we would wait at most', async () => {
    for (const [asked, said, sleep] of [
      ['100000', '27 h 46 min', 'sleep 100000 '],
      ['90', '1 min 30 s', 'sleep 90 '],
    ] as const) {
      const {outcome} = await answered(429, {'retry-after': asked})
      assert.ok(hasCode(outcome, 'RATE_LIMITED'))
      assert.ok(outcome.message.includes(`it wants a pause of ${said} and`), outcome.message)
      assert.ok(outcome.hints[0]?.startsWith(sleep), outcome.hints[0])
    }
  })

  it('is asked again after errors that pass, and not where it lacks a feature or space', async () => {
    for (const status of [500, 502, 503, 504]) assert.ok((await answered(status)).count > 1, String(status))
    for (const status of [501, 505, 507]) assert.equal((await answered(status)).count, 1, String(status))
  })

  it('is asked again after broken connections, and after silence only where waiting is the better choice', async () => {
    assert.ok((await attempts('NETWORK', undefined)) > 1)
    assert.ok((await attempts('NETWORK', false)) > 1)
    assert.ok((await attempts('TIMEOUT', undefined)) > 1)
    assert.equal(await attempts('TIMEOUT', false), 1)
  })
})
