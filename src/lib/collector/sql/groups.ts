import type {Kysely, Selectable} from 'kysely'
import type {Group} from '../objects.ts'
import type {GroupStore} from '../store.ts'
import {continueAfter, explicitId} from './explicit-id.ts'
import type {Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {groupBy, nameKey, refuseDuplicate, refuseRetired} from './values.ts'

export function createGroupStore(database: Kysely<Tables>): GroupStore {
  return {
    addGroup: (name, wantedId) =>
      refuseDuplicate('group', name, 'add', () =>
        inTransaction(database, async (transaction) => {
          await refuseRetired(transaction, 'group', name)
          const explicit = await explicitId(transaction, 'group', wantedId)
          const values = {...explicit, name, name_key: nameKey(name), kind: 'organisational' as const}
          const {id, kind} = await transaction.insertInto('group').values(values).returning(['id', 'kind']).executeTakeFirstOrThrow()
          await continueAfter(transaction, 'group', explicit)
          return {id, name, kind, members: []}
        }),
      ),
    async findGroup(nameOrId) {
      const query = database.selectFrom('group').selectAll()
      const row = await (typeof nameOrId === 'number'
        ? query.where('id', '=', nameOrId)
        : query.where('name', '=', nameOrId)
      ).executeTakeFirst()
      return row === undefined ? undefined : (await withMembers(database, [row]))[0]
    },
    async listGroups() {
      return await withMembers(database, await database.selectFrom('group').selectAll().orderBy('name').execute())
    },
    removeGroup: (id) =>
      inTransaction(database, async (transaction) => {
        const members = await transaction.selectFrom('membership').select('user_id').where('group_id', '=', id).execute()
        const apps = await transaction.selectFrom('app_group').select(['app_id as id', 'role']).where('group_id', '=', id).execute()
        const registries = await transaction
          .selectFrom('registry_group')
          .select(['registry_id as id', 'role'])
          .where('group_id', '=', id)
          .execute()
        const row = await transaction.deleteFrom('group').where('id', '=', id).returningAll().executeTakeFirst()
        if (row === undefined) return
        const remains = {row, members: members.map(({user_id}) => user_id), apps, registries}
        await bury(transaction, 'group', {name: row.name, id, remains})
      }),
    async addMember(groupId, userId) {
      const {numInsertedOrUpdatedRows = 0n} = await database
        .insertInto('membership')
        .values({group_id: groupId, user_id: userId})
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst()
      return numInsertedOrUpdatedRows > 0n
    },
    async removeMember(groupId, userId) {
      const {numDeletedRows} = await database
        .deleteFrom('membership')
        .where('group_id', '=', groupId)
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },
  }
}

async function withMembers(database: Kysely<Tables>, rows: readonly Selectable<Tables['group']>[]): Promise<readonly Group[]> {
  if (rows.length === 0) return []
  const memberships = await database
    .selectFrom('membership')
    .innerJoin('user', 'user.id', 'membership.user_id')
    .select(['membership.group_id', 'user.name'])
    .where(
      'membership.group_id',
      'in',
      rows.map(({id}) => id),
    )
    .orderBy('user.name')
    .execute()
  const byGroup = groupBy(memberships, ({group_id}) => group_id)
  return rows.map(({id, name, kind}) => ({id, name, kind, members: (byGroup.get(id) ?? []).map((member) => member.name)}))
}
