import assert from 'node:assert/strict'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createSweepSchedule, type SweepLock, type SweepReport} from '../../../src/lib/discovery/schedule.ts'
import type {SweepResult} from '../../../src/lib/discovery/sweep.ts'
import {ManualClock} from '../../support/manual-clock.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

const COUNTS = {startedAt: '', repositories: 0, tags: 0, asked: 0, unreadable: 0}
const COMPLETE: SweepResult = {...COUNTS, complete: true, purged: {repositories: 0, tags: 0}}
const FAILED: SweepResult = {...COUNTS, complete: false, reason: new HoldfastError('REGISTRY_UNAVAILABLE', 'it answered 500')}

/** Locks that several schedules share, as replicas do. */
class MemoryLock implements SweepLock {
  readonly holders = new Set<string>()

  async tryLock(registry: string) {
    if (this.holders.has(registry)) return undefined
    this.holders.add(registry)
    return async () => {
      this.holders.delete(registry)
    }
  }
}

interface Rig {
  readonly clock: ManualClock
  readonly lock: MemoryLock
  /** Registry and minute of every sweep that began. */
  readonly sweeps: {readonly registry: string; readonly atMs: number}[]
  readonly reports: SweepReport[]
  sweep: (registry: string, signal: AbortSignal) => Promise<SweepResult>
}

function createRig(clock = new ManualClock(0), lock = new MemoryLock()) {
  const rig: Rig = {clock, lock, sweeps: [], reports: [], sweep: async () => COMPLETE}
  const schedule = createSweepSchedule({
    clock,
    lock,
    report: (report) => rig.reports.push(report),
    sweep: (registry, signal) => {
      rig.sweeps.push({registry, atMs: clock.now()})
      return rig.sweep(registry, signal)
    },
  })
  return {rig, schedule}
}

describe('the schedule of sweeps', () => {
  it('sweeps a registry within seconds, and then every two minutes', async () => {
    const {rig, schedule} = createRig()
    schedule.add('internal')
    await rig.clock.advance(10 * MINUTE_MS)
    assert.deepEqual(
      rig.sweeps.map(({atMs}) => atMs),
      [2500, 122_500, 242_500, 362_500, 482_500],
    )
    await schedule.stop()
  })

  it('varies the interval by a tenth, so that registries do not march in step', async () => {
    const {rig, schedule} = createRig()
    rig.clock.chance = 0
    schedule.add('internal')
    await rig.clock.advance(1)
    rig.clock.chance = 0.999
    await rig.clock.advance(10 * MINUTE_MS)
    const [first = 0, second = 0, third = 0] = rig.sweeps.map(({atMs}) => atMs)
    assert.equal(first, 0)
    assert.equal(second - first, 108 * SECOND_MS)
    assert.ok(Math.abs(third - second - 132 * SECOND_MS) < 100)
    await schedule.stop()
  })

  it('leaves out the turns that come while a sweep is running', async () => {
    const {rig, schedule} = createRig()
    rig.sweep = async (_registry, signal) => {
      await rig.clock.sleep(5 * MINUTE_MS, signal)
      return COMPLETE
    }
    schedule.add('internal')
    schedule.add('internal')
    await rig.clock.advance(13 * MINUTE_MS)
    assert.deepEqual(
      rig.sweeps.map(({atMs}) => Math.round(atMs / MINUTE_MS)),
      [0, 6, 12],
    )
    await schedule.stop()
  })

  it('waits longer after each failure, up to an hour, and goes back to two minutes after a success', async () => {
    const {rig, schedule} = createRig()
    rig.sweep = async () => FAILED
    schedule.add('internal')
    await rig.clock.advance(6 * HOUR_MS)
    const waits = rig.reports.map(({nextInMs}) => nextInMs / MINUTE_MS)
    assert.deepEqual(waits.slice(0, 6), [3, 6, 12, 24, 45, 45], 'three quarters of 4, 8, 16, 32, 60, 60 minutes')
    rig.sweep = async () => COMPLETE
    await rig.clock.advance(HOUR_MS)
    assert.equal(rig.reports.at(-1)?.nextInMs, 2 * MINUTE_MS)
    await schedule.stop()
  })

  it('takes an error that is thrown for a failure, and reports it', async () => {
    const {rig, schedule} = createRig()
    rig.sweep = async () => {
      throw new TypeError('a bug')
    }
    schedule.add('internal')
    await rig.clock.advance(10 * MINUTE_MS)
    const [{outcome}, second] = rig.reports as [SweepReport, SweepReport]
    assert.ok(outcome.kind === 'failed' && outcome.error instanceof TypeError)
    assert.equal(second.nextInMs, 6 * MINUTE_MS)
    await schedule.stop()
  })

  it('does not let one registry that fails or hangs hold up another', async () => {
    const {rig, schedule} = createRig()
    rig.sweep = (registry, signal) =>
      registry === 'slow' ? rig.clock.sleep(HOUR_MS, signal).then(() => COMPLETE) : Promise.resolve(COMPLETE)
    schedule.add('slow')
    schedule.add('quick')
    await rig.clock.advance(10 * MINUTE_MS)
    assert.equal(rig.sweeps.filter(({registry}) => registry === 'quick').length, 5)
    await schedule.stop()
  })

  it('lets one replica only sweep a registry, and another take over when that one stops', async () => {
    const {rig: one, schedule: first} = createRig()
    const {rig: two, schedule: second} = createRig(one.clock, one.lock)
    first.add('internal')
    await one.clock.advance(MINUTE_MS)
    second.add('internal')
    await one.clock.advance(20 * MINUTE_MS)
    assert.equal(one.sweeps.length, 11)
    assert.equal(two.sweeps.length, 0)
    assert.ok(two.reports.length >= 9 && two.reports.every(({outcome}) => outcome.kind === 'elsewhere'))
    await first.stop()
    await one.clock.advance(3 * MINUTE_MS)
    assert.equal(one.sweeps.length, 11)
    assert.ok(two.sweeps.length >= 1)
    await second.stop()
    assert.equal(one.lock.holders.size, 0)
  })

  it('keeps the lock while a failing registry is left alone', async () => {
    const {rig: one, schedule: first} = createRig()
    const {rig: two, schedule: second} = createRig(one.clock, one.lock)
    one.sweep = async () => FAILED
    first.add('internal')
    await one.clock.advance(MINUTE_MS)
    second.add('internal')
    await one.clock.advance(3 * HOUR_MS)
    assert.equal(two.sweeps.length, 0)
    await Promise.all([first.stop(), second.stop()])
  })

  it('backs off when the lock cannot be asked for, and sweeps nothing meanwhile', async () => {
    const {rig, schedule} = createRig()
    rig.lock.tryLock = async () => {
      throw new HoldfastError('STORAGE', 'cannot reach "database": connection refused')
    }
    schedule.add('internal')
    await rig.clock.advance(20 * MINUTE_MS)
    assert.equal(rig.sweeps.length, 0)
    assert.deepEqual(
      rig.reports.map(({nextInMs}) => nextInMs / MINUTE_MS),
      [3, 6, 12],
    )
    await schedule.stop()
  })

  it('when stopped ends the sweep under way, waits for it, and frees the lock', async () => {
    const {rig, schedule} = createRig()
    let isOver = false
    rig.sweep = (_registry, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () =>
          setTimeout(() => {
            isOver = true
            resolve(FAILED)
          }, 20),
        )
      })
    schedule.add('internal')
    await rig.clock.advance(MINUTE_MS)
    assert.equal(rig.lock.holders.size, 1)
    await schedule.stop()
    assert.ok(isOver)
    assert.equal(rig.lock.holders.size, 0)
    await rig.clock.advance(HOUR_MS)
    assert.equal(rig.sweeps.length, 1)
    assert.throws(() => schedule.add('other'), HoldfastError)
  })

  it('forgets a registry that is removed, and sweeps it again when it is added again', async () => {
    const {rig, schedule} = createRig()
    schedule.add('internal')
    schedule.add('other')
    await rig.clock.advance(MINUTE_MS)
    const removed = schedule.remove('internal')
    schedule.add('internal')
    await removed
    await rig.clock.advance(MINUTE_MS)
    assert.deepEqual(
      rig.sweeps.map(({registry}) => registry),
      ['internal', 'other', 'internal'],
    )
    await schedule.remove('internal')
    await rig.clock.advance(5 * MINUTE_MS)
    assert.equal(rig.sweeps.filter(({registry}) => registry === 'internal').length, 2)
    await schedule.stop()
  })
})
