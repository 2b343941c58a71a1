import assert from 'node:assert/strict'
import {Breaker} from '../../../src/lib/core/breaker.ts'

describe('a breaker', () => {
  let nowMs: number
  let breaker: Breaker<string>

  beforeEach(() => {
    nowMs = 1_000
    breaker = new Breaker(() => nowMs)
  })

  it('refuses calls for the pause, and says when to come again', () => {
    assert.equal(breaker.isOpen, false)
    breaker.open('down', {pauseMs: 10_000, retryMs: 60_000})
    assert.deepEqual([breaker.isOpen, breaker.reason, breaker.retryMs], [true, 'down', 60_000])
    nowMs += 9_999
    assert.deepEqual([breaker.isOpen, breaker.retryMs], [true, 50_001])
    nowMs += 1
    assert.equal(breaker.isOpen, false)
  })

  it('lets one call find out after the pause, and another one when the first finds nothing out', () => {
    breaker.open('down', {pauseMs: 10_000})
    nowMs += 10_000
    breaker.noteCall()
    assert.equal(breaker.isOpen, true)
    nowMs += 5_000
    assert.equal(breaker.isOpen, false)
    breaker.noteCall()
    breaker.open('still down', {pauseMs: 10_000})
    nowMs += 9_999
    assert.deepEqual([breaker.isOpen, breaker.reason], [true, 'still down'])
  })

  it('forgets all after a call that succeeds', () => {
    breaker.open('down', {pauseMs: 10_000})
    breaker.close()
    breaker.noteCall()
    assert.deepEqual([breaker.isOpen, breaker.reason, breaker.retryMs], [false, undefined, 0])
  })
})
