/** Logins that failed and succeeded, for all replicas over one database. */
import {type Kysely, sql} from 'kysely'
import type {LoginHistory} from '../../accounts/throttle.ts'
import type {Tables} from './tables.ts'

export function createLoginHistory(database: Kysely<Tables>): LoginHistory {
  return {
    async readFailures(keys) {
      const rows = await database
        .selectFrom('login_failure')
        .selectAll()
        .where('key', 'in', [...keys])
        .execute()
      return new Map(rows.map(({key, count, last_at: lastAt}) => [key, {count: Number(count), lastAt: Number(lastAt)}]))
    },
    async addFailure(keys, at, forgottenBefore) {
      await database
        .insertInto('login_failure')
        .values(keys.map((key) => ({key, count: 1, last_at: at})))
        .onConflict((conflict) => conflict.column('key').doUpdateSet({count: sql<number>`login_failure.count + 1`, last_at: at}))
        .execute()
      await database.deleteFrom('login_failure').where('last_at', '<', forgottenBefore).execute()
    },
    async clearFailures(keys) {
      await database
        .deleteFrom('login_failure')
        .where('key', 'in', [...keys])
        .execute()
    },
    async readSuccess(key) {
      const row = await database.selectFrom('login_success').select('last_at').where('key', '=', key).executeTakeFirst()
      return row === undefined ? undefined : Number(row.last_at)
    },
    async noteSuccess(key, at, forgottenBefore) {
      await database
        .insertInto('login_success')
        .values({key, last_at: at})
        .onConflict((conflict) => conflict.column('key').doUpdateSet({last_at: at}))
        .execute()
      await database.deleteFrom('login_success').where('last_at', '<', forgottenBefore).execute()
    },
  }
}
