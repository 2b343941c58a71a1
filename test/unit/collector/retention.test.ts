import assert from 'node:assert/strict'
import {changeRetention, purgeNow} from '../../../src/lib/collector/retention.ts'

const NOW = new Date('2026-06-30T12:00:00.000Z')
const NONE = {audit: 0, events: 0, refreshTokens: 0, sessions: 0, loginKeys: 0}

describe('retention', () => {
  let limits: object[]
  let audited: string[]
  let purged = NONE
  let documents: Map<string, string>

  beforeEach(() => {
    limits = []
    audited = []
    purged = NONE
    documents = new Map()
  })

  const store = {
    readDocument: async (name: string) => documents.get(name),
    async replaceDocument(name: string, _previous: string | undefined, content: string) {
      documents.set(name, content)
      return true
    },
    async purgeRecords(given: object) {
      limits.push(given)
      return purged
    },
    async appendAudit(entries: readonly {readonly object: string}[]) {
      for (const {object} of entries) audited.push(object)
    },
  }

  it('keeps a year of the audit log and 90 days of events, unless another time was chosen', async () => {
    await purgeNow(store, NOW)
    await changeRetention(store, {auditDays: 30})
    await purgeNow(store, NOW)
    assert.partialDeepStrictEqual(limits, [
      {auditBefore: '2025-06-30T12:00:00.000Z', eventsBefore: '2026-04-01T12:00:00.000Z', tokensBefore: NOW.toISOString()},
      {auditBefore: '2026-05-31T12:00:00.000Z', eventsBefore: '2026-04-01T12:00:00.000Z'},
    ])
  })

  it('writes into the audit log what it removed, and nothing when that was nothing', async () => {
    await purgeNow(store, NOW)
    assert.deepEqual(audited, [])
    purged = {...NONE, events: 7}
    await purgeNow(store, NOW)
    assert.deepEqual(audited, [JSON.stringify(purged)])
  })
})
