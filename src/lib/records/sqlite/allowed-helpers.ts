/** Allowed credential helpers as rows. */
import type {AllowedHelperStore} from '../store.ts'
import type {Database} from './database.ts'

/** The allowed helpers of one database. */
export function createAllowedHelperStore(database: Database): AllowedHelperStore {
  return {
    async allowHelper(name) {
      await database.run('INSERT OR IGNORE INTO allowed_helper (name) VALUES (:name)', {name})
    },
    async listAllowedHelpers() {
      return (await database.all('SELECT name FROM allowed_helper ORDER BY name')).map(({name}) => String(name))
    },
    async disallowHelper(name) {
      return (await database.remove('DELETE FROM allowed_helper WHERE name = :name', {name})) > 0
    },
  }
}
