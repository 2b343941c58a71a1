/** Where blobs were put, as rows. */
import type {RepositoryName} from '../../oci/reference.ts'
import type {BlobLocationStore} from '../store.ts'
import type {Database} from './database.ts'

const RECORD = `
  INSERT INTO blob_location (registry, digest, repository) VALUES (:registry, :digest, :repository)
  ON CONFLICT DO UPDATE SET repository = excluded.repository`

/** The blob locations of one database. */
export function createBlobLocationStore(database: Database): BlobLocationStore {
  return {
    async findBlobLocation(registry, digest) {
      const row = await database.get('SELECT repository FROM blob_location WHERE registry = :registry AND digest = :digest', {
        registry,
        digest,
      })
      return row === undefined ? undefined : (String(row.repository) as RepositoryName)
    },
    async recordBlobLocations(registry, repository, digests) {
      if (digests.length === 0) return
      await database.transaction((connection) => {
        for (const digest of digests) connection.run(RECORD, {registry, digest, repository})
      })
    },
  }
}
