/** Requests to the fake Cloud Controller that asks to slow down, and to one that is not there. */
import assert from 'node:assert/strict'
import {createController} from '../../../src/lib/cloud-foundry/controller.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {createFakeTime, type FakeTime, openFakeController} from '../../support/cf-controller.ts'
import {FakeCloudFoundry} from '../../support/fake-cf/fake-cf.ts'

const MINUTE_MS = 60_000

describe('a Cloud Controller', () => {
  let foundation: FakeCloudFoundry
  let time: FakeTime

  beforeEach(async () => {
    foundation = new FakeCloudFoundry()
    await foundation.start()
    time = createFakeTime()
  })
  afterEach(() => foundation.stop())

  const ask = async (): Promise<unknown> =>
    await (await openFakeController(foundation, time)).send('GET', '/v3/apps', {purpose: 'list apps'})

  async function refusal(): Promise<HoldfastError> {
    try {
      await ask()
    } catch (error) {
      assert.ok(error instanceof HoldfastError)
      return error
    }
    assert.fail('it did not fail')
  }

  it('that asks to slow down for a while is asked again after it, by either of its headers', async () => {
    foundation.rateLimitNext(1, 20)
    await ask()
    assert.equal(time.elapsedMs(), 20_000)
    foundation.rateLimitNext(1, {'x-ratelimit-reset': '50'})
    await ask()
    assert.equal(time.elapsedMs(), 50_000)
  })

  it('that asks to slow down for longer is not waited for, and the error says how long it takes', async () => {
    foundation.rateLimitNext(1, 1800)
    const {code, message, hints, details} = await refusal()
    assert.equal(code, 'RATE_LIMITED')
    assert.match(message, /Rate Limit Exceeded \(429\); it takes requests again in 30 min 0 s$/)
    assert.deepEqual([hints, details.retryAfterMs], [['sleep 1800   # then the same command again'], 30 * MINUTE_MS])
    foundation.rateLimitNext(1, {'x-ratelimit-reset': '600'})
    assert.match((await refusal()).message, /it takes requests again in 10 min 0 s$/)
    foundation.rateLimitNext(100, {})
    assert.match((await refusal()).message, /it does not say how long$/)
    assert.ok(time.elapsedMs() <= MINUTE_MS)
  })

  it('that says that there is nothing to wait for, and refuses all the time, is not asked for ever', async () => {
    for (const told of [0, {'x-ratelimit-reset': '0'}]) {
      foundation.rateLimitNext(1_000, told)
      assert.equal((await refusal()).code, 'RATE_LIMITED')
    }
  })

  it('that is not there is named by a command that asks it, and not a registry', async () => {
    const session = {accessToken: async () => new Secret('t'), renew: async () => new Secret('t')}
    const controller = createController({api: 'http://127.0.0.1:1', insecure: false, session, network: time})
    await assert.rejects(controller.send('GET', '/v3/apps', {purpose: 'list apps'}), (error) => {
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual([error.code, error.hints], ['NETWORK', ['curl -sS http://127.0.0.1:1/']])
      return true
    })
  })
})
