import type {Kysely} from 'kysely'
import type {AccessStore} from '../store.ts'
import {idsOfGroups} from './group-roles.ts'
import type {Tables} from './tables.ts'

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
  }
}
