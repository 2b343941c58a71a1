/** Failed logins, for all replicas over one database. */
import {type Kysely, sql} from 'kysely'
import type {SharedFailures} from '../../accounts/throttle.ts'
import type {Tables} from './tables.ts'

export function createFailureStore(database: Kysely<Tables>): SharedFailures {
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
    async clearFailures(key) {
      await database.deleteFrom('login_failure').where('key', '=', key).execute()
    },
  }
}
