/** Which groups an app or a registry was published to, and which answer for it. */
import type {Kysely} from 'kysely'
import type {GroupIds} from '../store.ts'
import type {GroupRole, Tables} from './tables.ts'
import {groupBy} from './values.ts'

interface RoleRow {
  readonly owner: number
  readonly role: GroupRole
  readonly group_id: number
  readonly name: string
}

type Owner = 'app' | 'registry'

export interface GroupNames {
  readonly responsibles: readonly string[]
  readonly publications: readonly string[]
}

/** The names of the groups of all apps or registries, or of that one, by the owner's id. */
export async function namesOfGroups(database: Kysely<Tables>, owner: Owner, only?: number): Promise<(id: number) => GroupNames> {
  const byOwner = groupBy(await rolesOf(database, owner, only), (row) => row.owner)
  return (id) => {
    const names = (role: GroupRole): readonly string[] => (byOwner.get(id) ?? []).filter((row) => row.role === role).map(({name}) => name)
    return {responsibles: names('responsible'), publications: names('publication')}
  }
}

/** The ids of the groups of one. */
export async function idsOfGroups(database: Kysely<Tables>, owner: Owner, id: number): Promise<GroupIds> {
  const rows = await rolesOf(database, owner, id)
  const ids = (role: GroupRole): ReadonlySet<number> => new Set(rows.filter((row) => row.role === role).map((row) => row.group_id))
  return {publications: ids('publication'), responsibles: ids('responsible')}
}

/** Replaces the groups of a role; undefined leaves them as they are. */
export async function replaceGroups(
  database: Kysely<Tables>,
  owner: Owner,
  id: number,
  role: GroupRole,
  groupIds: readonly number[] | undefined,
): Promise<void> {
  if (groupIds === undefined) return
  const ids = [...new Set(groupIds)]
  if (owner === 'app') {
    await database.deleteFrom('app_group').where('app_id', '=', id).where('role', '=', role).execute()
    if (ids.length > 0)
      await database
        .insertInto('app_group')
        .values(ids.map((group_id) => ({app_id: id, role, group_id})))
        .execute()
  } else {
    await database.deleteFrom('registry_group').where('registry_id', '=', id).where('role', '=', role).execute()
    if (ids.length > 0) {
      await database
        .insertInto('registry_group')
        .values(ids.map((group_id) => ({registry_id: id, role, group_id})))
        .execute()
    }
  }
}

async function rolesOf(database: Kysely<Tables>, owner: Owner, id?: number): Promise<readonly RoleRow[]> {
  if (owner === 'app') {
    const query = database
      .selectFrom('app_group')
      .innerJoin('group', 'group.id', 'app_group.group_id')
      .select(['app_group.app_id as owner', 'app_group.role', 'app_group.group_id', 'group.name'])
      .orderBy('group.name')
    return await (id === undefined ? query : query.where('app_group.app_id', '=', id)).execute()
  }
  const query = database
    .selectFrom('registry_group')
    .innerJoin('group', 'group.id', 'registry_group.group_id')
    .select(['registry_group.registry_id as owner', 'registry_group.role', 'registry_group.group_id', 'group.name'])
    .orderBy('group.name')
  return await (id === undefined ? query : query.where('registry_group.registry_id', '=', id)).execute()
}
