/** The collector's store over kysely: one class a port, put together. */
import type {Kysely} from 'kysely'
import type {CollectorStore} from '../store.ts'
import {createAccessStore} from './access.ts'
import {createAppStore} from './apps.ts'
import {createAuditStore} from './audit.ts'
import {createCachedImageNoteStore} from './cached-images.ts'
import {createDocumentStore} from './documents.ts'
import {createEventStore} from './events.ts'
import {createGroupStore} from './groups.ts'
import {createIndexStore} from './index-store.ts'
import {createLoginHistory} from './login-history.ts'
import type {Dialect} from './migrations.ts'
import {createManagedRegistryStore} from './registries.ts'

import {createRetentionStore} from './retention.ts'
import {createSearchStore, type SearchLimits} from './search.ts'
import {createServiceStore} from './services.ts'

import type {Tables} from './tables.ts'
import {createRefreshTokenStore, createSessionStore} from './tokens.ts'
import {createTombstoneStore} from './tombstones.ts'
import {inSerializableTransaction} from './transaction.ts'
import {createUserStore} from './users.ts'

export function createSqlStore(database: Kysely<Tables>, dialect: Dialect, limits: SearchLimits): Omit<CollectorStore, 'close'> {
  return {
    async transaction(work) {
      return await inSerializableTransaction(database, dialect, async (transaction) => {
        const store: CollectorStore = {
          ...createSqlStore(transaction, dialect, limits),
          // One within another one is a part of it.
          transaction: (inner) => inner(store),
          close: async () => {},
        }
        return await work(store)
      })
    },
    ...createTombstoneStore(database),
    ...createUserStore(database),
    ...createGroupStore(database),
    ...createAppStore(database),
    ...createServiceStore(database),
    ...createManagedRegistryStore(database),
    ...createAccessStore(database),
    ...createRefreshTokenStore(database),
    ...createSessionStore(database),
    ...createDocumentStore(database),
    ...createEventStore(database),
    ...createAuditStore(database),
    ...createIndexStore(database),
    ...createSearchStore(database, dialect, limits),
    ...createCachedImageNoteStore(database),
    ...createLoginHistory(database),
    ...createRetentionStore(database),
  }
}
