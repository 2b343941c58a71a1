/** The tables as kysely sees them, the same in SQLite and PostgreSQL: times are ISO 8601 texts in UTC, truth values 0 and 1. */
import type {ColumnType, Generated} from 'kysely'
import type {ObjectKind} from '../objects.ts'

/** 0 or 1: SQLite has no truth values. */
export type Bit = 0 | 1

interface UserTable {
  readonly id: Generated<number>
  name: string
  /** The name in lower case: two names that differ in case alone are one too many. */
  name_key: string
  email: string | null
  source: string
  password_hash: string | null
  /** Whom the directory means by him, where it gives its people names that are never given again. */
  subject: string | null
  is_disabled: Bit
  is_administrator: Bit
  /** The group that a new registry of the user is for. */
  primary_group_id: number | null
  created_at: string
}

interface GroupTable {
  readonly id: Generated<number>
  name: string
  name_key: string
  kind: 'organisational' | 'privilege'
}

interface MembershipTable {
  user_id: number
  group_id: number
}

interface AppTable {
  readonly id: Generated<number>
  code: string
}

/** What a group is to an app or a registry. */
export type GroupRole = 'responsible' | 'publication'

interface AppGroupTable {
  app_id: number
  group_id: number
  role: GroupRole
}

interface ServiceTable {
  readonly id: Generated<number>
  name: string
  app_id: number
  secret_hash: string
  is_disabled: Bit
  created_at: string
}

interface RegistryTable {
  readonly id: Generated<number>
  name: string
  service: string
  url: string
  insecure: Bit
  restricted: Bit
  token_header: string
  token_life_seconds: number
  /** Of the secret that its notifications carry; null: none are taken. */
  events_secret_hash: string | null
  created_at: string
  /** The place of its URL, which no other registry has; null for that of `serve`. */
  url_key: string | null
  proven_at: string | null
}

interface RegistryGroupTable {
  registry_id: number
  group_id: number
  role: GroupRole
}

interface RepositoryTable {
  readonly id: Generated<number>
  registry_id: number
  name: string
  description: string
  /** The description in lower case. */
  description_key: Generated<string>
  /** Whose the path is: `users/ann`, `apps/7`, or `ROOT_OWNER`. The database makes it from the name. */
  readonly owner: ColumnType<string, never, never>
  /** The last component of the name. The database makes it from the name. */
  readonly leaf: ColumnType<string, never, never>
  is_official: Bit
  is_automated: Bit
  pulls: number
  seen_at: string
}

interface StarTable {
  user_id: number
  repository_id: number
}

interface TagTable {
  repository_id: number
  name: string
  digest: string
  media_type: string
  /** Kind of attachment; null for a version of an image. */
  attachment: string | null
  pushed_at: string
  /** When it was learnt what it names. */
  learnt_at: string
  seen_at: string
}

interface RefreshTokenTable {
  readonly id: Generated<number>
  token_hash: string
  subject_kind: 'user' | 'service'
  subject_id: number
  /** The registry's service that it was given for. */
  service: string
  client: string
  created_at: string
  used_at: string
  expires_at: string
}

interface SessionTable {
  token_hash: string
  user_id: number
  created_at: string
  expires_at: string
}

/** Objects that were removed: what restores them. Names of users, groups and apps are not given again. */
interface RetiredNameTable {
  kind: ObjectKind
  /** In lower case, but for services. */
  name_key: string
  /** What follows is null for what an older Holdfast removed. */
  name: string | null
  object_id: number | null
  /** JSON, without secrets. */
  remains: string | null
  removed_at: string | null
}

/** Documents that are read and replaced whole: the signing keys, settings. */
interface DocumentTable {
  name: string
  content: string
}

interface EventTable {
  readonly id: Generated<number>
  registry_id: number
  /** The registry's own id of the event: what comes twice is kept once. */
  event_id: string
  occurred_at: string
  received_at: string
  action: string
  repository: string
  tag: string | null
  digest: string | null
  media_type: string | null
  actor: string | null
  address: string | null
  user_agent: string | null
}

interface AuditTable {
  readonly id: Generated<number>
  at: string
  request_id: string
  /** Who asked; `-` for nobody who is known. */
  principal: string
  address: string
  action: string
  object: string
  outcome: 'granted' | 'refused' | 'failed'
  /** The rule of the access policy, or what else decided. */
  rule: string
  reason: string | null
}

interface CachedImageTable {
  readonly id: Generated<number>
  registry: string
  repository: string
  source: string
  source_digest: string
  digest: string
  platforms: string
  app: string
  size_bytes: number
  created_at: string
  principal: string
}

interface LoginFailureTable {
  readonly key: string
  count: number
  /** Milliseconds since the epoch. */
  last_at: number
}

interface LoginSuccessTable {
  readonly key: string
  /** Milliseconds since the epoch. */
  last_at: number
}

export interface Tables {
  login_success: LoginSuccessTable
  login_failure: LoginFailureTable
  cached_image: CachedImageTable
  user: UserTable
  group: GroupTable
  membership: MembershipTable
  app: AppTable
  app_group: AppGroupTable
  service: ServiceTable
  registry: RegistryTable
  registry_group: RegistryGroupTable
  repository: RepositoryTable
  star: StarTable
  tag: TagTable
  refresh_token: RefreshTokenTable
  session: SessionTable
  retired_name: RetiredNameTable
  document: DocumentTable
  event: EventTable
  audit: AuditTable
}
