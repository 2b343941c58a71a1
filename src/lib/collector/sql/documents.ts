import type {Kysely} from 'kysely'
import type {DocumentStore} from '../store.ts'
import type {Tables} from './tables.ts'

export function createDocumentStore(database: Kysely<Tables>): DocumentStore {
  return {
    async readDocument(name) {
      return (await database.selectFrom('document').select('content').where('name', '=', name).executeTakeFirst())?.content
    },
    async replaceDocument(name, previous, content) {
      if (previous === undefined) {
        const {numInsertedOrUpdatedRows = 0n} = await database
          .insertInto('document')
          .values({name, content})
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst()
        return numInsertedOrUpdatedRows > 0n
      }
      const {numUpdatedRows} = await database
        .updateTable('document')
        .set({content})
        .where('name', '=', name)
        .where('content', '=', previous)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
  }
}
