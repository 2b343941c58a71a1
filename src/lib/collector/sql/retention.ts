/** Removes old rows in batches, between which others get a turn: each is one short transaction. */
import {setImmediate as yieldToEventLoop} from 'node:timers/promises'
import type {Kysely} from 'kysely'
import type {RetentionStore} from '../store.ts'
import type {Tables} from './tables.ts'

const BATCH_SIZE = 1_000

export function createRetentionStore(database: Kysely<Tables>): RetentionStore {
  /** Rows are in the order of their times, which their ids are in, too: the first that is kept ends it. */
  const purgeOldest = async (table: 'audit' | 'event', column: 'at' | 'received_at', before: string): Promise<number> => {
    let removed = 0
    for (;;) {
      const rows = await database
        .selectFrom(table)
        .select(['id', `${column} as at`])
        .orderBy('id')
        .limit(BATCH_SIZE)
        .execute()
      const old = rows.filter(({at}) => String(at) < before)
      const last = old.at(-1)
      if (last !== undefined) removed += await count(database.deleteFrom(table).where('id', '<=', last.id).where(column, '<', before))
      if (old.length < BATCH_SIZE) return removed
      await yieldToEventLoop()
    }
  }

  /** Of entries that any client can cause only the newest are kept. */
  const purgeFailedLogins = async (max: number): Promise<number> => {
    const failed = () => database.selectFrom('audit').select('id').where('action', '=', 'login').where('outcome', '=', 'refused')
    const newestToGo = await failed().orderBy('id', 'desc').offset(max).limit(1).executeTakeFirst()
    if (newestToGo === undefined) return 0
    let removed = 0
    for (;;) {
      const batch = await failed().where('id', '<=', newestToGo.id).orderBy('id').limit(BATCH_SIZE).execute()
      if (batch.length === 0) return removed
      const ids = batch.map(({id}) => id)
      removed += await count(database.deleteFrom('audit').where('id', 'in', ids))
      await yieldToEventLoop()
    }
  }

  const purgeKeys = async (table: 'login_failure' | 'login_success', max: number): Promise<number> => {
    const newestToGo = await database.selectFrom(table).select('last_at').orderBy('last_at', 'desc').offset(max).limit(1).executeTakeFirst()
    return newestToGo === undefined ? 0 : await count(database.deleteFrom(table).where('last_at', '<=', newestToGo.last_at))
  }

  return {
    async purgeRecords({auditBefore, eventsBefore, tokensBefore, maxFailedLogins, maxLoginKeys}) {
      return {
        audit: (await purgeOldest('audit', 'at', auditBefore)) + (await purgeFailedLogins(maxFailedLogins)),
        events: await purgeOldest('event', 'received_at', eventsBefore),
        refreshTokens: await count(database.deleteFrom('refresh_token').where('expires_at', '<', tokensBefore)),
        sessions: await count(database.deleteFrom('session').where('expires_at', '<', tokensBefore)),
        loginKeys: (await purgeKeys('login_failure', maxLoginKeys)) + (await purgeKeys('login_success', maxLoginKeys)),
      }
    },
  }
}

async function count(removal: {executeTakeFirst(): Promise<{readonly numDeletedRows: bigint}>}): Promise<number> {
  return Number((await removal.executeTakeFirst()).numDeletedRows)
}
