/** Settings as rows. */
import type {SettingStore} from '../store.ts'
import type {Database} from './database.ts'

/** The settings of one database. */
export function createSettingStore(database: Database): SettingStore {
  return {
    async readSetting(name) {
      const value = (await database.get('SELECT value FROM setting WHERE name = :name', {name}))?.value
      return value === undefined ? undefined : String(value)
    },
    async saveSetting(name, value) {
      if (value === undefined) await database.remove('DELETE FROM setting WHERE name = :name', {name})
      else
        await database.run('INSERT INTO setting (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value', {
          name,
          value,
        })
    },
  }
}
