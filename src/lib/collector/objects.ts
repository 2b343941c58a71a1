/** What a collector knows: people and workloads, what they belong to, and the registries that trust it. Groups are named; ids are for paths and storage. */
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'

/** What a privilege allows is in the access policy; who has it is a member of its group. */
export const PRIVILEGES = ['Manager', 'Pusher', 'Puller'] as const
export type Privilege = (typeof PRIVILEGES)[number]
/** The group of a privilege is called so, and then the privilege. */
export const PRIVILEGE_PREFIX = 'DockerRegistries'

/** What can be removed, and restored. */
export const OBJECT_KINDS = ['user', 'group', 'app', 'service', 'registry'] as const
export type ObjectKind = (typeof OBJECT_KINDS)[number]

/** Accounts of this collector's own, with a password here. */
export const INTERNAL_SOURCE = 'internal'

export interface User {
  readonly id: number
  /** Unique, whatever the case of its letters, and never given to somebody else again. */
  readonly name: string
  readonly email?: string
  /** `internal`, or the name of the directory that knows the password. */
  readonly source: string
  /** Has nothing any more, at once. */
  readonly isDisabled: boolean
  /** May change users, groups, apps, services and privileges. */
  readonly isAdministrator: boolean
  /** The id of the user at the directory or provider, where that gives ids that it never gives again. */
  readonly subject?: string
  /** Organisational groups, by name. */
  readonly groups: readonly string[]
  /** The one of the groups that a new registry of the user is for. */
  readonly primaryGroup?: string
  readonly privileges: readonly Privilege[]
  /** ISO 8601. */
  readonly createdAt: string
}

/** People who belong together. Privileges are groups as well, of their own kind, and own no `groups/` namespace. */
export interface Group {
  readonly id: number
  readonly name: string
  readonly kind: 'organisational' | 'privilege'
  /** User names. */
  readonly members: readonly string[]
}

export interface App {
  readonly id: number
  /** Unique; never all digits, since those are ids. */
  readonly code: string
  /** Groups that may push below `apps/<app>/`. */
  readonly responsibles: readonly string[]
  /** Groups that may pull from there. */
  readonly publications: readonly string[]
}

/** A workload with an identity of its own. */
export interface Service {
  readonly id: number
  readonly name: string
  /** Code of its app. */
  readonly app: string
  readonly isDisabled: boolean
  readonly createdAt: string
}

/** How the registry finds the key of a token: distribution 2.8 and 3 differ. */
export const TOKEN_HEADERS = ['x5c', 'kid-libtrust', 'kid-rfc7638'] as const
export type TokenHeader = (typeof TOKEN_HEADERS)[number]

/** The name under which the registry of `serve` is managed by the collector beside it. */
export const EMBEDDED_REGISTRY = 'embedded'

/** A registry that this collector is the authority of. */
export interface ManagedRegistry {
  readonly id: number
  readonly name: string
  /** The audience of its tokens: `auth.token.service` of its configuration. */
  readonly service: string
  /** `https://host[:port]`. */
  readonly url: string
  /** Its certificate is not checked. */
  readonly insecure: boolean
  /** Pushing takes responsibility; publication suffices for pulling only. */
  readonly restricted: boolean
  /** Groups that see it. */
  readonly publications: readonly string[]
  /** Groups that answer for it. */
  readonly responsibles: readonly string[]
  readonly tokenHeader: TokenHeader
  /** How long a token of it is good. */
  readonly tokenLifeSeconds: number
  readonly createdAt: string
  /** ISO 8601: when what is at its URL last proved that it trusts this collector. */
  readonly provenAt?: string
}

/** A repository of a managed registry, as discovery and events found it, and as people describe it. */
export interface IndexedRepository {
  readonly id: number
  /** Name of the registry. */
  readonly registry: string
  readonly name: RepositoryName
  readonly description: string
  readonly stars: number
  readonly isOfficial: boolean
  readonly isAutomated: boolean
  readonly pulls: number
}

export interface IndexedTag {
  readonly tag: Tag
  readonly digest: Digest
  readonly mediaType: string
  /** ISO 8601: when it was pushed, or first seen. */
  readonly pushedAt: string
  /** What it carries when it is no version of an image: a signature, an SBOM, … */
  readonly attachment?: string
}
