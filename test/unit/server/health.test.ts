import assert from 'node:assert/strict'
import {checkHealth} from '../../../src/lib/server/health.ts'

describe('the readiness of a server', () => {
  it('is that of all its checks, whose conditions are named once and in one order', async () => {
    const readiness = await checkHealth([
      {check: async () => ({degraded: ['upstream paused', 'disk full']}), otherwise: 'store unreachable'},
      {check: async () => ({degraded: ['disk full']}), otherwise: 'store unreachable'},
      {check: async () => ({}), otherwise: 'clock'},
    ])
    assert.deepEqual(readiness, {isReady: true, degraded: ['disk full', 'upstream paused']})
    const unready = await checkHealth([
      {check: async () => ({isReady: false}), otherwise: 'disk read-only'},
      {check: async () => ({isReady: true}), otherwise: 'clock'},
    ])
    assert.deepEqual(unready, {isReady: false, degraded: []})
  })

  it('is not lost to a database that fails, or does not answer', async () => {
    for (const check of [() => Promise.reject(new Error('no connection')), () => new Promise<never>(() => {})]) {
      assert.deepEqual(await checkHealth([{check, otherwise: 'database'}]), {isReady: true, degraded: ['database']})
    }
  })
})
