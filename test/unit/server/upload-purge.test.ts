import assert from 'node:assert/strict'
import type {PurgeOptions} from '../../../src/lib/content/filesystem/store.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {startUploadPurge} from '../../../src/lib/server/upload-purge.ts'
import {until} from '../../support/until.ts'

const FULL = new HoldfastError('STORAGE', 'the disk is full', {details: {errno: 'ENOSPC'}})
const MINUTE_MS = 60_000

/** What was purged, in turn. */
class Purges {
  readonly calls: PurgeOptions[] = []
  readonly purge = async (options: PurgeOptions): Promise<void> => {
    this.calls.push(options)
  }
  get pressed(): readonly (boolean | undefined)[] {
    return this.calls.map(({isPressed}) => isPressed)
  }
}

describe('the purge of abandoned uploads', () => {
  it('runs at the start, and again while the server serves', async () => {
    const purges = new Purges()
    const schedule = startUploadPurge({purge: purges.purge, listener: undefined, intervalMs: 1})
    await until(async () => purges.calls.length >= 3)
    await schedule.stop()
    assert.ok(purges.pressed.every((isPressed) => isPressed === false))
  })

  it('runs at once when the disk is full, though not for each of many refused uploads', async () => {
    const purges = new Purges()
    let nowMs = 0
    const schedule = startUploadPurge({purge: purges.purge, listener: undefined, now: () => nowMs})
    await until(async () => purges.calls.length === 1)
    for (const error of [FULL, FULL, new HoldfastError('STORAGE', 'read-only', {details: {errno: 'EROFS'}}), FULL]) {
      schedule.noteFailure(error)
      await new Promise(setImmediate)
    }
    assert.deepEqual(purges.pressed, [false, true])
    nowMs += MINUTE_MS
    schedule.noteFailure(FULL)
    await until(async () => purges.calls.length === 3)
    assert.deepEqual(purges.pressed, [false, true, true])
    await schedule.stop()
    nowMs += MINUTE_MS
    schedule.noteFailure(FULL)
    await new Promise(setImmediate)
    assert.equal(purges.calls.length, 3)
  })

  it('waits for the walk that runs when the disk becomes full meanwhile', async () => {
    const purges = new Purges()
    let end: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      end = resolve
    })
    const purge = async (options: PurgeOptions): Promise<void> => {
      await purges.purge(options)
      await held
    }
    const schedule = startUploadPurge({purge, listener: undefined})
    await until(async () => purges.calls.length === 1)
    schedule.noteFailure(FULL)
    await new Promise(setImmediate)
    assert.deepEqual(purges.pressed, [false])
    end()
    await until(async () => purges.calls.length === 2)
    assert.deepEqual(purges.pressed, [false, true])
    await schedule.stop()
  })

  it('ends a walk that runs when the server stops, and tells the log of no failure then', async () => {
    const told: unknown[] = []
    let hasBegun = false
    let isOver = false
    const schedule = startUploadPurge({
      purge: async ({signal}) => {
        hasBegun = true
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
        isOver = true
        throw new Error('stopped')
      },
      listener: (event) => told.push(event),
    })
    await until(async () => hasBegun)
    await schedule.stop()
    assert.equal(isOver, true)
    assert.deepEqual(told, [])
  })

  it('tells the log why it failed, and tries again', async () => {
    const told: string[] = []
    const schedule = startUploadPurge({
      purge: async () => {
        throw new Error('no such luck')
      },
      listener: (event) => told.push(`${event.requestId}: ${event.type === 'failure' ? String(event.error) : ''}`),
      intervalMs: 1,
    })
    await until(async () => told.length >= 2)
    await schedule.stop()
    assert.equal(told[0], 'purge-stale-uploads: Error: no such luck')
  })
})
