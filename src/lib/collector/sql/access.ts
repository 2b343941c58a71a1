import type {Kysely} from 'kysely'
import type {AccessStore} from '../store.ts'
import {idsOfGroups} from './group-roles.ts'
import type {Tables} from './tables.ts'
import {groupBy} from './values.ts'

export function createAccessStore(database: Kysely<Tables>): AccessStore {
  return {
    async groupsOfUser(userId) {
      const rows = await database
        .selectFrom('membership')
        .innerJoin('group', 'group.id', 'membership.group_id')
        .select('membership.group_id')
        .where('membership.user_id', '=', userId)
        .where('group.kind', '=', 'organisational')
        .execute()
      return new Set(rows.map(({group_id}) => group_id))
    },
    groupsOfApp: (appId) => idsOfGroups(database, 'app', appId),
    groupsOfRegistry: (registryId) => idsOfGroups(database, 'registry', registryId),
    async appsOfGroups(groups) {
      if (groups.size === 0) return []
      const rows = await database
        .selectFrom('app_group')
        .innerJoin('app', 'app.id', 'app_group.app_id')
        .select(['app.id', 'app.code', 'app_group.role'])
        .where('app_group.group_id', 'in', [...groups])
        .execute()
      return [...groupBy(rows, ({id}) => id)].map(([id, related]) => ({
        id,
        code: related[0]?.code ?? '',
        isPublished: related.some(({role}) => role === 'publication'),
        isResponsible: related.some(({role}) => role === 'responsible'),
      }))
    },
  }
}
