/** Ids that an object had in another database: kept where they cannot be another object's, removed ones included. */
import {type Kysely, PostgresAdapter, sql} from 'kysely'
import type {Tables} from './tables.ts'

type Kind = 'user' | 'group' | 'app'

/** The id to insert with: the wanted one if it is greater than each that was given here; otherwise none, so that the database gives a new one. */
export async function explicitId(database: Kysely<Tables>, kind: Kind, id: number | undefined): Promise<{readonly id?: number}> {
  if (id === undefined) return {}
  const {last} = await database
    .selectFrom(kind)
    .select(({fn}) => fn.max('id').as('last'))
    .executeTakeFirstOrThrow()
  const removed = await database.selectFrom('retired_name').select('object_id').where('kind', '=', kind).execute()
  // The ids of what an older Holdfast removed are not known.
  const isFree = id > Number(last ?? 0) && removed.every(({object_id}) => object_id !== null && id > object_id)
  return isFree ? {id} : {}
}

/** Has the next object of the kind get a greater id. SQLite sees to that itself. */
export async function continueAfter(database: Kysely<Tables>, kind: Kind, {id}: {readonly id?: number}): Promise<void> {
  if (id === undefined || !(database.getExecutor().adapter instanceof PostgresAdapter)) return
  const table = `"${kind}"`
  await sql`
    select setval(name, greatest(${id}::bigint, coalesce(pg_sequence_last_value(name::regclass), 0)))
    from (select pg_get_serial_sequence(${table}, 'id') as name) as sequence`.execute(database)
}
