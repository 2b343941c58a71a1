/** Every operation of a collector: what the REST API serves and its document describes. */
import {ACCESS_OPERATIONS} from './access.ts'
import {APP_OPERATIONS} from './apps.ts'
import {CACHED_IMAGE_OPERATIONS} from './cached-images.ts'
import {DELETION_OPERATIONS} from './deletions.ts'
import {DOCUMENT_OPERATIONS} from './document.ts'
import {GROUP_OPERATIONS} from './groups.ts'
import {KEY_OPERATIONS} from './keys.ts'
import {LOG_OPERATIONS} from './logs.ts'
import type {Operation} from './operation.ts'
import {REGISTRY_OPERATIONS} from './registries.ts'
import {REPOSITORY_OPERATIONS} from './repositories.ts'
import {RESTORE_OPERATIONS} from './restore.ts'
import {RETENTION_OPERATIONS} from './retention.ts'
import {SERVICE_OPERATIONS} from './services.ts'
import {SETTINGS_OPERATIONS} from './settings.ts'
import {TOKEN_OPERATIONS} from './tokens.ts'
import {USER_OPERATIONS} from './users.ts'

export const OPERATIONS = [
  ...USER_OPERATIONS,
  ...GROUP_OPERATIONS,
  ...APP_OPERATIONS,
  ...SERVICE_OPERATIONS,
  ...REGISTRY_OPERATIONS,
  ...SETTINGS_OPERATIONS,
  ...RETENTION_OPERATIONS,
  ...TOKEN_OPERATIONS,
  ...KEY_OPERATIONS,
  ...LOG_OPERATIONS,
  ...ACCESS_OPERATIONS,
  ...REPOSITORY_OPERATIONS,
  ...DELETION_OPERATIONS,
  ...DOCUMENT_OPERATIONS,
  ...RESTORE_OPERATIONS,
  ...CACHED_IMAGE_OPERATIONS,
] as readonly unknown[] as readonly Operation[]
