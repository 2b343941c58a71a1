/** The names of the embedded registry as rows. */
import type {RegistryHost} from '../../oci/reference.ts'
import type {EmbeddedNameStore} from '../store.ts'
import type {Database} from './database.ts'

/** The names in one database. */
export function createEmbeddedNameStore(database: Database): EmbeddedNameStore {
  const list = async (): Promise<readonly RegistryHost[]> =>
    (await database.all('SELECT registry FROM embedded_name ORDER BY registry')).map(({registry}) => registry as RegistryHost)
  return {
    async addEmbeddedName(registry) {
      if (!(await list()).includes(registry))
        await database.run('INSERT INTO embedded_name (registry) VALUES (:registry) ON CONFLICT DO NOTHING', {registry})
    },
    listEmbeddedNames: list,
  }
}
