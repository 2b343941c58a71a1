import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {SharedWork} from '../../../src/lib/core/shared-work.ts'

describe('shared work', () => {
  const begin = () => {
    const {promise, resolve} = Promise.withResolvers<string>()
    let stopped: AbortSignal | undefined
    const work = new SharedWork((signal) => {
      stopped = signal
      return promise
    })
    return {work, resolve, isStopped: () => stopped?.aborted === true}
  }

  it('lets a caller that gives up go, and goes on for the others', async () => {
    const {work, resolve, isStopped} = begin()
    const stop = new AbortController()
    const [first, second] = [work.wait(stop.signal), work.wait(undefined)]
    stop.abort()
    await assert.rejects(first, (error) => hasCode(error, 'INTERRUPTED'))
    assert.equal(isStopped(), false)
    resolve('done')
    assert.equal(await second, 'done')
  })

  it('is stopped when the last caller has given up', async () => {
    const {work, isStopped} = begin()
    const stops = [new AbortController(), new AbortController()]
    const waits = stops.map(({signal}) => work.wait(signal))
    for (const stop of stops) {
      assert.equal(isStopped(), false)
      stop.abort()
    }
    await Promise.allSettled(waits)
    assert.deepEqual([isStopped(), work.isStopped], [true, true])
  })

  it('gives its result to callers that come later, and is not stopped by those any more', async () => {
    const {work, resolve} = begin()
    resolve('done')
    await work.wait(undefined)
    const stop = new AbortController()
    assert.equal(await work.wait(stop.signal), 'done')
    stop.abort()
    assert.equal(work.isStopped, false)
  })
})
