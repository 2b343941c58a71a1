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

/** The column or constraint whose value another row has already, when that is why a statement failed (SQLite: SQLITE_CONSTRAINT; PostgreSQL: 23505). */
function duplicateIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && error.code === '23505') return 'constraint' in error ? String(error.constraint) : ''
  return /UNIQUE constraint failed: ([\w., ]+)/.exec(error.message)?.[1]
}

/**
 * @param reasons what conflicts, by a part of the column's name; the name itself where none fits
 * @throws {HoldfastError} CONFLICT when `work` fails since the object, or something of it that must be unique, is there.
 */
export async function refuseDuplicate<T>(
  kind: string,
  name: string,
  verb: 'add' | 'change' | 'restore',
  work: () => Promise<T>,
  reasons: Readonly<Record<string, string>> = {},
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const column = duplicateIn(error)
    if (column === undefined) throw error
    const reason = Object.entries(reasons).find(([part]) => column.includes(part))?.[1] ?? 'there is one already'
    const list = kind === 'registry' ? 'holdfast registry managed' : `holdfast ${kind} list`
    throw new HoldfastError('CONFLICT', `cannot ${verb} ${kind} "${name}": ${reason}`, {hints: [list]})
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
