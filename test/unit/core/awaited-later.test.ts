import assert from 'node:assert/strict'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {awaitedLater} from '../../../src/lib/core/awaited-later.ts'

describe('work that is awaited later', () => {
  it('may fail before that, and shows its failure then', async () => {
    const failed = awaitedLater(Promise.reject(new Error('too early')))
    await nextTurn()
    await assert.rejects(failed, /too early/)
    assert.equal(await awaitedLater(Promise.resolve(1)), 1)
  })
})
