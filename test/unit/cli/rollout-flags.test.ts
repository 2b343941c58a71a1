/** How apps are moved: flags and the variable of cf. */
import assert from 'node:assert/strict'
import {describeInstances, describeProgress, readRollout} from '../../../src/lib/cli/rollout-flags.ts'
import {DEFAULT_ROLLOUT} from '../../../src/lib/cloud-foundry/rollouts.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const MINUTE_MS = 60_000

describe('a rollout', () => {
  it('waits for five minutes, or as CF_STARTUP_TIMEOUT says in minutes, or as --timeout says', () => {
    for (const [minutes, expectedMs] of [
      [undefined, 5 * MINUTE_MS],
      ['', 5 * MINUTE_MS],
      ['15', 15 * MINUTE_MS],
      ['0.5', MINUTE_MS / 2],
      ['soon', 5 * MINUTE_MS],
      ['0', 5 * MINUTE_MS],
      ['-3', 5 * MINUTE_MS],
      ['Infinity', 5 * MINUTE_MS],
    ] as const) {
      assert.equal(readRollout({}, {CF_STARTUP_TIMEOUT: minutes}).timeoutMs, expectedMs, minutes)
      assert.equal(readRollout({timeout: '90s'}, {CF_STARTUP_TIMEOUT: minutes}).timeoutMs, 90_000)
    }
  })

  it('is rolling and waits for all unless told otherwise', () => {
    assert.deepEqual(readRollout({}, {}), {...DEFAULT_ROLLOUT, maxInFlight: undefined})
    assert.partialDeepStrictEqual(readRollout({strategy: 'canary', 'max-in-flight': 4, 'no-wait': true}, {}), {
      strategy: 'canary',
      maxInFlight: 4,
      waitsFor: 'first',
    })
  })

  it('is refused for a time that is none, and for instances in flight where all start at once', () => {
    for (const flags of [{timeout: '5'}, {timeout: ''}, {timeout: '0s'}, {strategy: 'recreate', 'max-in-flight': 2}] as const)
      assert.throws(
        () => readRollout(flags, {}),
        (error) => hasCode(error, 'USAGE'),
      )
  })

  it('is told of by what is there, in a line that a terminal does not obey', () => {
    assert.equal(describeInstances({running: 2, starting: 0, crashed: 1}), '2 running, 1 crashed')
    assert.equal(describeInstances(undefined), 'none yet')
    const line = describeProgress({
      app: 'shop',
      phase: 'deploying',
      instances: {running: 0, starting: 1, crashed: 0},
      error: 'no \u001b[2J room',
    })
    assert.match(line, /^new instances of app "shop": 1 starting; the platform says: no .* room$/)
    assert.ok(!line.includes('\u001b'))
    assert.equal(describeProgress({app: 'shop', phase: 'superseded'}), 'the deployment of app "shop" was replaced by another one')
  })
})
