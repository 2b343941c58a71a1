import type {Kysely} from 'kysely'
import type {AppStore} from '../store.ts'
import {continueAfter, explicitId} from './explicit-id.ts'
import {namesOfGroups, replaceGroups} from './group-roles.ts'
import {removeService} from './services.ts'
import type {Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {refuseDuplicate, refuseRetired} from './values.ts'

export function createAppStore(database: Kysely<Tables>): AppStore {
  return {
    addApp: (code, wantedId) =>
      refuseDuplicate('app', code, 'add', () =>
        inTransaction(database, async (transaction) => {
          await refuseRetired(transaction, 'app', code)
          const explicit = await explicitId(transaction, 'app', wantedId)
          const {id} = await transaction
            .insertInto('app')
            .values({...explicit, code})
            .returning('id')
            .executeTakeFirstOrThrow()
          await continueAfter(transaction, 'app', explicit)
          return {id, code, responsibles: [], publications: []}
        }),
      ),
    async findApp(codeOrId) {
      const query = database.selectFrom('app').selectAll()
      const row = await (typeof codeOrId === 'number'
        ? query.where('id', '=', codeOrId)
        : query.where('code', '=', codeOrId)
      ).executeTakeFirst()
      return row === undefined ? undefined : {...row, ...(await namesOfGroups(database, 'app', row.id))(row.id)}
    },
    async listApps() {
      const [rows, names] = await Promise.all([
        database.selectFrom('app').selectAll().orderBy('code').execute(),
        namesOfGroups(database, 'app'),
      ])
      return rows.map((row) => ({...row, ...names(row.id)}))
    },
    updateApp: (id, {responsibles, publications}) =>
      inTransaction(database, async (transaction) => {
        await replaceGroups(transaction, 'app', id, 'responsible', responsibles)
        await replaceGroups(transaction, 'app', id, 'publication', publications)
      }),
    removeApp: (id) =>
      inTransaction(database, async (transaction) => {
        const services = await transaction.selectFrom('service').select('id').where('app_id', '=', id).execute()
        for (const service of services) await removeService(transaction, service.id)
        const groups = await transaction.selectFrom('app_group').select(['group_id as id', 'role']).where('app_id', '=', id).execute()
        const row = await transaction.deleteFrom('app').where('id', '=', id).returningAll().executeTakeFirst()
        if (row !== undefined) await bury(transaction, 'app', {name: row.code, id, remains: {row, groups}})
      }),
  }
}
