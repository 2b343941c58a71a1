import type {Kysely} from 'kysely'
import type {Tables} from './tables.ts'

/** How often a transaction is begun again that another one was in the way of. */
const MAX_ATTEMPTS = 5
/** PostgreSQL: serialization_failure, deadlock_detected. */
const IN_THE_WAY: readonly unknown[] = ['40001', '40P01']

/** Does the work in a transaction: in the one that is open already, otherwise in one of its own. */
export async function inTransaction<T>(database: Kysely<Tables>, work: (transaction: Kysely<Tables>) => Promise<T>): Promise<T> {
  return database.isTransaction ? await work(database) : await database.transaction().execute(work)
}

/** Does the work as if no other transaction ran meanwhile; it may be begun again. */
export async function inSerializableTransaction<T>(
  database: Kysely<Tables>,
  dialect: 'sqlite' | 'postgres',
  work: (transaction: Kysely<Tables>) => Promise<T>,
): Promise<T> {
  // SQLite has one writer, and each transaction begins as one.
  if (dialect === 'sqlite') return await inTransaction(database, work)
  for (let attempt = 1; ; attempt++) {
    try {
      return await database.transaction().setIsolationLevel('serializable').execute(work)
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !(error instanceof Error) || !('code' in error) || !IN_THE_WAY.includes(error.code)) throw error
    }
  }
}
