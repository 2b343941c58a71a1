import type {Kysely} from 'kysely'
import type {AuditStore} from '../store.ts'
import type {Tables} from './tables.ts'
import {now} from './values.ts'

export function createAuditStore(database: Kysely<Tables>): AuditStore {
  return {
    async appendAudit(entries) {
      if (entries.length === 0) return
      const at = now()
      await database
        .insertInto('audit')
        .values(entries.map(({requestId, reason, ...entry}) => ({at, request_id: requestId, reason: reason ?? null, ...entry})))
        .execute()
    },
    async listAudit({principal, since, limit}) {
      let query = database.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit)
      if (principal !== undefined) query = query.where('principal', '=', principal)
      if (since !== undefined) query = query.where('at', '>=', since)
      return (await query.execute())
        .toReversed()
        .map(({request_id, reason, ...row}) => ({...row, ...(reason === null ? {} : {reason}), requestId: request_id}))
    },
  }
}
