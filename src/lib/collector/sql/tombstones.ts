/** What is left of objects that were removed: enough to restore them under their names and ids, and no secret. */
import type {Insertable, Kysely} from 'kysely'
import {HoldfastError} from '../../core/errors.ts'
import type {ObjectKind} from '../objects.ts'
import type {TombstoneStore} from '../store.ts'
import {replaceGroups} from './group-roles.ts'
import type {GroupRole, Tables} from './tables.ts'
import {inTransaction} from './transaction.ts'
import {nameKey, now, refuseDuplicate} from './values.ts'

/** No secret has it: SHA-256 in hex has 64 characters. */
const NO_SECRET_HASH = '-'

interface Role {
  readonly id: number
  readonly role: GroupRole
}

/** Of a user: groups are privileges as well. */
interface UserRemains {
  readonly row: Omit<Insertable<Tables['user']>, 'password_hash'>
  readonly groups: readonly number[]
  /** Repositories with a star of the user. */
  readonly stars: readonly number[]
}

interface GroupRemains {
  readonly row: Insertable<Tables['group']>
  readonly members: readonly number[]
  readonly apps: readonly Role[]
  readonly registries: readonly Role[]
}

interface AppRemains {
  readonly row: Insertable<Tables['app']>
  readonly groups: readonly Role[]
}

interface ServiceRemains {
  readonly row: Omit<Insertable<Tables['service']>, 'secret_hash'>
  /** Code of the app. */
  readonly app: string
}

interface RegistryRemains {
  readonly row: Omit<Insertable<Tables['registry']>, 'events_secret_hash'>
  readonly groups: readonly Role[]
}

interface Remains {
  readonly user: UserRemains
  readonly group: GroupRemains
  readonly app: AppRemains
  readonly service: ServiceRemains
  readonly registry: RegistryRemains
}

/** Buries an object that is about to be removed, or just was. */
export async function bury<Kind extends ObjectKind>(
  database: Kysely<Tables>,
  kind: Kind,
  {name, id, remains}: {readonly name: string; readonly id: number; readonly remains: Remains[Kind]},
): Promise<void> {
  const values = {kind, name_key: keyOf(kind, name), name, object_id: id, remains: JSON.stringify(remains), removed_at: now()}
  await database
    .insertInto('retired_name')
    .values(values)
    .onConflict((conflict) => conflict.columns(['kind', 'name_key']).doUpdateSet(values))
    .execute()
}

export function createTombstoneStore(database: Kysely<Tables>): TombstoneStore {
  return {
    async listRemoved() {
      const rows = await database.selectFrom('retired_name').selectAll().orderBy('kind').orderBy('name_key').execute()
      return rows.map(({kind, name_key, name, object_id, removed_at}) => ({
        kind,
        name: name ?? name_key,
        ...(object_id === null ? {} : {id: object_id}),
        ...(removed_at === null ? {} : {removedAt: removed_at}),
      }))
    },
    restoreRemoved: (kind, name) =>
      refuseDuplicate(kind, name, 'restore', () =>
        inTransaction(database, async (transaction) => {
          const row = await transaction
            .deleteFrom('retired_name')
            .where('kind', '=', kind)
            .where('name_key', '=', keyOf(kind, name))
            .returning('remains')
            .executeTakeFirst()
          if (row === undefined) return false
          await RESTORERS[kind](transaction, row.remains, name)
          return true
        }),
      ),
  }
}

function keyOf(kind: ObjectKind, name: string): string {
  return kind === 'service' ? name : nameKey(name)
}

type Restorer = (database: Kysely<Tables>, remains: string | null, name: string) => Promise<void>

/** Of an object that an older Holdfast removed only the name is known. */
const RESTORERS: Readonly<Record<ObjectKind, Restorer>> = {
  async user(database, remains, name) {
    const unknown = {
      name,
      name_key: nameKey(name),
      email: null,
      source: 'internal',
      subject: null,
      is_disabled: 0,
      is_administrator: 0,
      primary_group_id: null,
      created_at: now(),
    } as const
    const {row, groups, stars} = read<'user'>(remains) ?? {row: unknown, groups: [], stars: []}
    const present = new Set(await idsThere(database, 'group', [...groups, ...(row.primary_group_id ? [row.primary_group_id] : [])]))
    const primary = present.has(row.primary_group_id ?? 0) ? row.primary_group_id : null
    const {id} = await database
      .insertInto('user')
      .values({...row, primary_group_id: primary, password_hash: null})
      .returning('id')
      .executeTakeFirstOrThrow()
    const memberships = groups.filter((group) => present.has(group)).map((group) => ({user_id: id, group_id: group}))
    if (memberships.length > 0) await database.insertInto('membership').values(memberships).execute()
    const starred = (await idsThere(database, 'repository', stars)).map((repository) => ({user_id: id, repository_id: repository}))
    if (starred.length > 0) await database.insertInto('star').values(starred).execute()
  },
  async group(database, remains, name) {
    const unknown = {name, name_key: nameKey(name), kind: 'organisational'} as const
    const {row, members, apps, registries} = read<'group'>(remains) ?? {row: unknown, members: [], apps: [], registries: []}
    const {id} = await database.insertInto('group').values(row).returning('id').executeTakeFirstOrThrow()
    const present = await idsThere(database, 'user', members)
    const memberships = present.map((user) => ({user_id: user, group_id: id}))
    if (memberships.length > 0) await database.insertInto('membership').values(memberships).execute()
    const ofApps = (await rolesThere(database, 'app', apps)).map((one) => ({app_id: one.id, role: one.role, group_id: id}))
    if (ofApps.length > 0) await database.insertInto('app_group').values(ofApps).execute()
    const ofRegistries = (await rolesThere(database, 'registry', registries)).map((one) => ({
      registry_id: one.id,
      role: one.role,
      group_id: id,
    }))
    if (ofRegistries.length > 0) await database.insertInto('registry_group').values(ofRegistries).execute()
  },
  async app(database, remains, code) {
    const {row, groups} = read<'app'>(remains) ?? {row: {code}, groups: []}
    const {id} = await database.insertInto('app').values(row).returning('id').executeTakeFirstOrThrow()
    await restoreRoles(database, 'app', id, groups)
  },
  async service(database, remains, name) {
    const found = read<'service'>(remains)
    if (found === undefined || (await idsThere(database, 'app', [found.row.app_id])).length === 0) {
      throw new HoldfastError('CONFLICT', `cannot restore service "${name}": its app was removed`, {
        hints: found === undefined ? [] : [`holdfast app restore ${found.app}`],
      })
    }
    await database
      .insertInto('service')
      .values({...found.row, secret_hash: NO_SECRET_HASH})
      .execute()
  },
  async registry(database, remains, name) {
    const found = read<'registry'>(remains)
    if (found === undefined) throw new HoldfastError('CONFLICT', `cannot restore registry "${name}": nothing is known of it`)
    const {id} = await database
      .insertInto('registry')
      .values({...found.row, events_secret_hash: null})
      .returning('id')
      .executeTakeFirstOrThrow()
    await restoreRoles(database, 'registry', id, found.groups)
  },
}

function read<Kind extends ObjectKind>(remains: string | null): Remains[Kind] | undefined {
  return remains === null ? undefined : JSON.parse(remains)
}

async function idsThere(
  database: Kysely<Tables>,
  table: 'user' | 'group' | 'app' | 'registry' | 'repository',
  ids: readonly number[],
): Promise<readonly number[]> {
  if (ids.length === 0) return []
  const rows = await database
    .selectFrom(table)
    .select('id')
    .where('id', 'in', [...ids])
    .execute()
  return rows.map(({id}) => id)
}

async function rolesThere(database: Kysely<Tables>, table: 'app' | 'registry' | 'group', roles: readonly Role[]): Promise<readonly Role[]> {
  const present = new Set(
    await idsThere(
      database,
      table,
      roles.map(({id}) => id),
    ),
  )
  return roles.filter(({id}) => present.has(id))
}

async function restoreRoles(database: Kysely<Tables>, owner: 'app' | 'registry', id: number, groups: readonly Role[]): Promise<void> {
  const present = await rolesThere(database, 'group', groups)
  for (const role of ['responsible', 'publication'] as const) {
    const ids = present.filter((one) => one.role === role).map((one) => one.id)
    await replaceGroups(database, owner, id, role, ids)
  }
}
