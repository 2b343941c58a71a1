import assert from 'node:assert/strict'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {createLeases, type LeasedWork, workUnderLease} from '../../../src/lib/collector/leases.ts'
import {HoldfastError, hasCode, interrupted} from '../../../src/lib/core/errors.ts'
import {ManualClock} from '../../support/manual-clock.ts'

const LIFE_MS = 60_000

/** Documents in memory; a lost database answers nothing. */
class MemoryDocuments {
  readonly documents = new Map<string, string>()
  isAway = false

  async readDocument(name: string): Promise<string | undefined> {
    this.#assertThere()
    return this.documents.get(name)
  }

  async replaceDocument(name: string, previous: string | undefined, content: string): Promise<boolean> {
    this.#assertThere()
    if (this.documents.get(name) !== previous) return false
    this.documents.set(name, content)
    return true
  }

  #assertThere(): void {
    if (this.isAway) throw new HoldfastError('STORAGE', 'the database is away')
  }
}

describe('a lease of the collector', () => {
  let clock: ManualClock
  let store: MemoryDocuments

  beforeEach(() => {
    clock = new ManualClock(Date.parse('2026-01-01T00:00:00Z'))
    store = new MemoryDocuments()
  })

  /** Of another process each time. */
  const leasesOf = () => createLeases(store, () => new Date(clock.now()), 'sweep')
  const leased = (more: Partial<LeasedWork> = {}): LeasedWork => ({
    ...{leases: leasesOf(), object: 'internal', lifeMs: LIFE_MS, waitMs: 0, clock},
    busy: () => new HoldfastError('CONFLICT', 'another process has it'),
    ...more,
  })

  /** Work that ends when it is told to, or when its signal fires. */
  function startWork(more: Partial<LeasedWork> = {}) {
    const {promise, resolve} = Promise.withResolvers<string>()
    let signal: AbortSignal | undefined
    const ended = workUnderLease(leased(more), async (given) => {
      signal = given
      given.addEventListener('abort', () => resolve('aborted'))
      return await promise
    })
    ended.catch(() => {})
    return {ended, end: () => resolve('done'), signal: () => signal}
  }

  const isFree = async (): Promise<boolean> => {
    const held = await leasesOf().acquire('internal', 1)
    await held?.release()
    return held !== undefined
  }

  it('keeps others out for as long as the work takes, however long, and is free at its end', async () => {
    const work = startWork()
    for (let minute = 0; minute < 30; minute++) {
      await clock.advance(LIFE_MS)
      assert.equal(await isFree(), false, `free after ${minute + 1} minutes`)
      await assert.rejects(
        workUnderLease(leased(), async () => 'two at once'),
        (error) => hasCode(error, 'CONFLICT'),
      )
    }
    work.end()
    assert.equal(await work.ended, 'done')
    assert.equal(await isFree(), true)
  })

  it('is free when its process has died, after its life and not before', async () => {
    assert.ok((await leasesOf().acquire('internal', LIFE_MS)) !== undefined)
    clock.pass(LIFE_MS - 1)
    assert.equal(await isFree(), false)
    clock.pass(1)
    assert.equal(await isFree(), true)
  })

  it('is waited for within bounds, and no longer when the command ends', async () => {
    const first = startWork()
    await nextTurn()
    const second = startWork({waitMs: 10_000})
    await clock.advance(5_000)
    first.end()
    await first.ended
    await clock.advance(1_000)
    assert.equal(second.signal()?.aborted, false, 'it was not begun')
    second.end()
    assert.equal(await second.ended, 'done')

    const blocker = startWork()
    await nextTurn()
    const late = startWork({waitMs: 10_000})
    await clock.advance(11_000)
    await assert.rejects(late.ended, (error) => hasCode(error, 'CONFLICT'))
    const command = new AbortController()
    const stopped = startWork({waitMs: 10_000, signal: command.signal})
    await nextTurn()
    command.abort(interrupted())
    await assert.rejects(stopped.ended, (error) => hasCode(error, 'INTERRUPTED'))
    blocker.end()
    await blocker.ended
  })

  it('that was lost ends the work', async () => {
    const work = startWork()
    await nextTurn()
    // The process slept for longer than the lease lives, and another one has taken it.
    clock.pass(LIFE_MS + 1)
    assert.ok((await leasesOf().acquire('internal', LIFE_MS)) !== undefined)
    await clock.advance(LIFE_MS)
    assert.equal(work.signal()?.aborted, true)
    await assert.rejects(work.ended, (error) => hasCode(error, 'CONFLICT'))
    assert.equal(await isFree(), true)
  })

  it('outlives a database that is away for less than its life, and no more', async () => {
    const work = startWork()
    await nextTurn()
    store.isAway = true
    await clock.advance(LIFE_MS / 2)
    assert.equal(work.signal()?.aborted, false)
    store.isAway = false
    await clock.advance(LIFE_MS)
    assert.equal(await isFree(), false)
    store.isAway = true
    await clock.advance(2 * LIFE_MS)
    assert.equal(work.signal()?.aborted, true)
    store.isAway = false
    await assert.rejects(work.ended, (error) => hasCode(error, 'CONFLICT'))
  })

  it('goes with work that fails, and the failure passes', async () => {
    await assert.rejects(
      workUnderLease(leased(), () => Promise.reject(new Error('broken'))),
      /broken/,
    )
    assert.equal(await isFree(), true)
  })
})
