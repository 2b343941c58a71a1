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
import {createManagedRegistryStore} from './registries.ts'
import {createRetentionStore} from './retention.ts'
import {createServiceStore} from './services.ts'
import type {Tables} from './tables.ts'
import {createRefreshTokenStore, createSessionStore} from './tokens.ts'
import {createUserStore} from './users.ts'

export function createSqlStore(database: Kysely<Tables>): Omit<CollectorStore, 'close'> {
  return {
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
    ...createCachedImageNoteStore(database),
    ...createLoginHistory(database),
    ...createRetentionStore(database),
  }
}
