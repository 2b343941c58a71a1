import type {Kysely} from 'kysely'
import type {AuditStore} from '../store.ts'
import type {Tables} from './tables.ts'
import {inTransaction} from './transaction.ts'
import {now} from './values.ts'

/** Rows in one statement: a database takes so many values. */
const MAX_ROWS = 500

export function createAuditStore(database: Kysely<Tables>): AuditStore {
  return {
    async appendAudit(entries) {
      if (entries.length === 0) return
      const at = now()
      const rows = entries.map(({requestId, reason, ...entry}) => ({at, request_id: requestId, reason: reason ?? null, ...entry}))
      const insert = (target: Kysely<Tables>, some: typeof rows) => target.insertInto('audit').values(some).execute()
      // Every token appends some: they need no transaction.
      if (rows.length <= MAX_ROWS) await insert(database, rows)
      else {
        await inTransaction(database, async (transaction) => {
          for (let start = 0; start < rows.length; start += MAX_ROWS) await insert(transaction, rows.slice(start, start + MAX_ROWS))
        })
      }
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
