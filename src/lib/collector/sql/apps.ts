import type {Kysely} from 'kysely'
import type {AppStore} from '../store.ts'
import {namesOfGroups, replaceGroups} from './group-roles.ts'
import type {Tables} from './tables.ts'
import {refuseDuplicate, refuseRetired, retire} from './values.ts'

export function createAppStore(database: Kysely<Tables>): AppStore {
  return {
    addApp: (code) =>
      refuseDuplicate('app', code, () =>
        database.transaction().execute(async (transaction) => {
          await refuseRetired(transaction, 'app', code)
          const {id} = await transaction.insertInto('app').values({code}).returning('id').executeTakeFirstOrThrow()
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
      database.transaction().execute(async (transaction) => {
        await replaceGroups(transaction, 'app', id, 'responsible', responsibles)
        await replaceGroups(transaction, 'app', id, 'publication', publications)
      }),
    removeApp: (id) =>
      database.transaction().execute(async (transaction) => {
        const services = await transaction.selectFrom('service').select('id').where('app_id', '=', id).execute()
        const row = await transaction.deleteFrom('app').where('id', '=', id).returning('code').executeTakeFirst()
        if (row === undefined) return
        await retire(transaction, 'app', row.code)
        const ids = services.map((service) => service.id)
        if (ids.length === 0) return
        await transaction.deleteFrom('refresh_token').where('subject_kind', '=', 'service').where('subject_id', 'in', ids).execute()
      }),
  }
}
