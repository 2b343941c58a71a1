/** Between values of the domain and of the tables. */
import type {Kysely} from 'kysely'
import {HoldfastError} from '../../core/errors.ts'
import {shellCommand} from '../../core/shell.ts'
import type {Bit, Tables} from './tables.ts'

export const toBit = (value: boolean): Bit => (value ? 1 : 0)

export function now(): string {
  return new Date().toISOString()
}

/** What must be unique of a name. */
export function nameKey(name: string): string {
  return name.toLowerCase()
}

/** Fields that are set, of a change whose absent fields mean "as it is". */
export function present<T extends object>(fields: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Whether a statement was refused since a row with that key is there (SQLite: SQLITE_CONSTRAINT; PostgreSQL: 23505). */
function isDuplicate(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === '23505') || /UNIQUE constraint failed/.test(error.message)
}

/** @throws {HoldfastError} CONFLICT when `work` fails since the object is there. */
export async function refuseDuplicate<T>(kind: string, name: string, verb: 'add' | 'restore', work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw new HoldfastError('CONFLICT', `cannot ${verb} ${kind} "${name}": there is one already`, {hints: [`holdfast ${kind} list`]})
  }
}

/** Names in paths are not given to somebody else: he would inherit what lies below them. */
export async function refuseRetired(database: Kysely<Tables>, kind: 'user' | 'group' | 'app', name: string): Promise<void> {
  const retired = await database
    .selectFrom('retired_name')
    .select('name_key')
    .where('kind', '=', kind)
    .where('name_key', '=', nameKey(name))
    .executeTakeFirst()
  if (retired === undefined) return
  throw new HoldfastError('CONFLICT', `cannot add ${kind} "${name}": the name was another one's, whose images may still lie below it`, {
    hints: [`${shellCommand`holdfast ${kind} restore ${name}`}   # if it is that one`, `holdfast ${kind} add ANOTHER_NAME`],
  })
}

/** Which of the names were others': in lower case. */
export async function retiredNames(
  database: Kysely<Tables>,
  kind: 'user' | 'group' | 'app',
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const rows = await database
    .selectFrom('retired_name')
    .select('name_key')
    .where('kind', '=', kind)
    .where('name_key', 'in', names.map(nameKey))
    .execute()
  return new Set(rows.map(({name_key}) => name_key))
}

/** Rows by a key of theirs. */
export function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): ReadonlyMap<Key, readonly Row[]> {
  const groups = new Map<Key, Row[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group === undefined) groups.set(keyOf(row), [row])
    else group.push(row)
  }
  return groups
}
