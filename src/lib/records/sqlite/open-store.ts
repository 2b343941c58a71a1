/** The embedded record store: one SQLite file that any number of processes on a machine share. */
import type {RecordStore} from '../store.ts'
import {createAllowedHelperStore} from './allowed-helpers.ts'
import {createAppRecordStore} from './apps.ts'
import {createBlobLocationStore} from './blob-locations.ts'
import {createCachedImageStore} from './cached-images.ts'
import {Database, type DatabaseOptions} from './database.ts'
import {createEmbeddedNameStore} from './embedded-names.ts'
import {createLoginStore} from './logins.ts'
import {createRegistryStore} from './registries.ts'
import {createSettingStore} from './settings.ts'

/**
 * Opens the store. Without a file it is empty; file and folder are made by the first write. A file that this user may read and not write is read.
 * Calls block the event loop for as long as SQLite takes: up to 5 s when another process holds the lock, up to 60 s while others commit one after the other.
 * @throws {HoldfastError} CONFIGURATION when the file is damaged, no database, or of a newer schema; STORAGE when it cannot be read, and from each write when it
 * cannot be made or written.
 */
export async function openSqliteStore(options: DatabaseOptions): Promise<RecordStore> {
  const database = new Database(options)
  await database.openExisting()
  return {
    ...createRegistryStore(database),
    ...createCachedImageStore(database),
    ...createBlobLocationStore(database),
    ...createLoginStore(database),
    ...createAllowedHelperStore(database),
    ...createAppRecordStore(database),
    ...createSettingStore(database),
    ...createEmbeddedNameStore(database),
    prepareForWriting: () => database.transaction(() => {}),
    close: () => database.close(),
  }
}
