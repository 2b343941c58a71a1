/**
 * The records port: what Holdfast remembers of registries, of cached images and of logins; never a secret. Implementers: `sqlite/` (embedded).
 * Calls are synchronous in the embedded store but promised here, since a grown-up database is across a socket.
 */
import type {RegistryCapabilities} from '../content/remote/endpoint.ts'
import type {Digest} from '../oci/digest.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'

export type RegistryFlavour = 'http' | 'https-self-signed' | 'https-ca-signed'

/** A declared registry. Holds no secret: certificates and keys are named by file. */
export interface RegistryRecord {
  /** What people call it: lower-case letters, digits, `-`, `_`, `.`. */
  readonly name: string
  /** The registry's name in references. */
  readonly host: RegistryHost
  /** `https://host[:port]` or `http://host[:port]`. */
  readonly url: string
  /** Certificate checks are off. */
  readonly insecure: boolean
  readonly plainHttp: boolean
  readonly caFile?: string
  readonly clientCertFile?: string
  readonly clientKeyFile?: string
  readonly isDefault: boolean
  /** What it was found to be when it was declared or last checked. */
  readonly flavour?: RegistryFlavour
  readonly authScheme?: 'none' | 'basic' | 'bearer'
  readonly realm?: string
  /** Cached images get their GUIDs below this repository; at the root when absent. */
  readonly repositoryPrefix?: RepositoryName
  readonly pinnedHosts: readonly string[]
  readonly capabilities: RegistryCapabilities
  /** ISO 8601. */
  readonly createdAt: string
  readonly updatedAt: string
}

export interface RegistryStore {
  findRegistry(nameOrHost: string): Promise<RegistryRecord | undefined>
  findDefaultRegistry(): Promise<RegistryRecord | undefined>
  /** By name. */
  listRegistries(): Promise<readonly RegistryRecord[]>
  /** Adds or replaces the registry of that name; when it `isDefault`, no other one is any more. */
  saveRegistry(registry: RegistryRecord): Promise<void>
  /** Answers whether there was one. */
  removeRegistry(name: string): Promise<boolean>
  /** Hosts (`host` or `host:port`) that the user trusts with the credentials of a registry, declared or not, besides those pinned in its record. */
  listTrustedHosts(registry: RegistryHost): Promise<readonly string[]>
  /** The same for every registry, with what made each host trusted; by registry and host. */
  listTrust(): Promise<readonly TrustRecord[]>
  trustHost(registry: RegistryHost, host: string, by: TrustSource): Promise<void>
  /** Forgets the hosts that `by` made trusted for the registry; without it, every host. */
  distrustHosts(registry: RegistryHost, by?: TrustSource): Promise<void>
}

/** What made a host trusted: `login` with `--trust-host` or an answer on a terminal; a collector that manages the registry. */
export type TrustSource = 'login' | 'collector'

/** A host that may have the credentials of a registry. */
export interface TrustRecord {
  readonly registry: RegistryHost
  /** `host` or `host:port` */
  readonly host: string
  readonly trustedBy: TrustSource
}

/** One image that was cached. Names no credential (requirement P4). */
export interface CachedImageRecord {
  /** The repository at the target: a uuid v4, below a prefix or not, or the name that was asked for. */
  readonly repository: RepositoryName
  readonly registry: RegistryHost
  /** The source reference with every default written out. */
  readonly source: string
  readonly sourceDigest: Digest
  /** Digest at the target: the source's, but for a platform subset. */
  readonly digest: Digest
  /** Sorted `os/arch[/variant]`; absent when all platforms were copied. */
  readonly platforms?: readonly string[]
  readonly app?: string
  /** Tells apps of one name on different platforms apart; absent for an app of this machine, and in records of older versions. */
  readonly owner?: string
  /** Unique bytes of the image. */
  readonly sizeBytes: number
  /** ISO 8601. */
  readonly createdAt: string
  /** When it was last found whole or made whole, ISO 8601; absent: when it was cached. */
  readonly checkedAt?: string
  /** What it lacked, or had with other bytes, when it was last looked at; absent when it was whole. */
  readonly damaged?: readonly Digest[]
  /** When it was removed on purpose, ISO 8601. */
  readonly removedAt?: string
}

/** Names one wish to cache: the same wish again is answered with the same record. */
export interface CachedImageKey {
  readonly source: string
  readonly registry: RegistryHost
  readonly app?: string
  readonly owner?: string
  readonly platforms?: readonly string[]
  /** Only with an explicit repository name. */
  readonly repository?: RepositoryName
  /** The repositories that answer are right below this one; at the root of the registry when absent. */
  readonly prefix?: RepositoryName
}

export interface CachedImageStore {
  /** Adds or replaces the record, and ends the claim of that wish. */
  recordCachedImage(record: CachedImageRecord): Promise<void>
  /**
   * Returns the repository that the wish is to be fulfilled in, the same one for every run that asks before the wish is recorded: the repository of a record that is
   * newer than `known`; else the one that an interrupted or concurrent run has claimed; else `fresh`, which is claimed now.
   */
  claimRepository(key: CachedImageKey, fresh: RepositoryName, known?: RepositoryName): Promise<RepositoryName>
  /** Remembers that the image was whole at this time, ISO 8601. */
  recordImageCheck(image: Pick<CachedImageRecord, 'registry' | 'repository' | 'digest'>, checkedAt: string): Promise<void>
  /** Remembers which parts of the image are damaged, until a check finds it whole. */
  recordImageDamage(image: Pick<CachedImageRecord, 'registry' | 'repository' | 'digest'>, damaged: readonly Digest[]): Promise<void>
  /** Remembers that the image was removed on purpose, ISO 8601: it answers no wish any more, and is not healed. Recording it again ends that. */
  recordImageRemoval(image: Pick<CachedImageRecord, 'registry' | 'repository' | 'digest'>, removedAt: string): Promise<void>
  /** The newest record of that wish that was not removed; undefined when there is none. */
  findCachedImage(key: CachedImageKey): Promise<CachedImageRecord | undefined>
  /**
   * Records that match, newest first: all without a query; else by guid, digest (or the start of either, 6 characters at least), app, or any part of the
   * source reference.
   */
  searchCachedImages(query?: string): Promise<readonly CachedImageRecord[]>
}

/** Records of older versions know an app by its name alone. */
export interface CachedImageOwnerStore {
  /** Gives the records of a repository that older versions made for an app of that name to their owner, unless they have one. */
  adoptCachedImages(image: Pick<CachedImageRecord, 'registry' | 'repository'>, app: string, owner: string): Promise<void>
}

/** Where blobs were put: lets a later copy mount what an earlier one uploaded. A hint only; a mount that fails is an upload. */
export interface BlobLocationStore {
  /** The repository of the registry that got the blob last. */
  findBlobLocation(registry: RegistryHost, digest: Digest): Promise<RepositoryName | undefined>
  /** Adds or replaces the location of each digest, all or none. */
  recordBlobLocations(registry: RegistryHost, repository: RepositoryName, digests: readonly Digest[]): Promise<void>
}

/** One login. Holds no secret: that is in the keychain, under registry, path prefix and account. */
export interface LoginRecord {
  readonly registry: RegistryHost
  /** The repositories that it is for: this one and those below it; absent for the whole registry. */
  readonly pathPrefix?: RepositoryName
  /** The user name. */
  readonly account: string
  /** What the keychain keeps of it. */
  readonly kind: 'identity-token' | 'password'
  /** ISO 8601. */
  readonly loggedInAt: string
  /** ISO 8601; where the identity token says when it ends. */
  readonly expiresAt?: string
}

export type LoginKey = Pick<LoginRecord, 'registry' | 'pathPrefix' | 'account'>

export interface LoginStore {
  /** Adds or replaces the login of that key. */
  saveLogin(login: LoginRecord): Promise<void>
  /** Of one registry or of all, newest first. */
  listLogins(registry?: RegistryHost): Promise<readonly LoginRecord[]>
  /** Answers whether there was one. */
  removeLogin(key: LoginKey): Promise<boolean>
}

/** Credential helpers that the user has allowed to be run, by name (`secretservice` for `docker-credential-secretservice`). */
export interface AllowedHelperStore {
  allowHelper(name: string): Promise<void>
  /** By name. */
  listAllowedHelpers(): Promise<readonly string[]>
  /** Answers whether it was allowed. */
  disallowHelper(name: string): Promise<boolean>
}

/** An app of this machine: what stands for a platform where there is none. */
export interface AppRecord {
  readonly name: string
  /** What `DIEGO_DOCKER_CACHE` is set to; absent when it is not. */
  readonly optIn?: string
  /** The image that it is to run; absent before there was one. */
  readonly image?: string
  /** The image before that one. */
  readonly previousImage?: string
  /** What the image is a copy of. Records of older versions have here what the app was last given. */
  readonly staged?: StagedImageRecord
  /** What the image before is a copy of. */
  readonly previousStaged?: StagedImageRecord
  /** ISO 8601. */
  readonly updatedAt: string
}

/** A cached copy that an app was given, and what it is a copy of. */
export interface StagedImageRecord {
  /** As the user named it. */
  readonly source: string
  readonly sourceDigest: string
  /** `<host>:<port>/<guid>@sha256:…` */
  readonly cached: string
  /** ISO 8601. */
  readonly stagedAt: string
}

export interface AppRecordStore {
  findAppRecord(name: string): Promise<AppRecord | undefined>
  /** By name. */
  listAppRecords(): Promise<readonly AppRecord[]>
  /** Adds or replaces the app of that name. */
  saveAppRecord(app: AppRecord): Promise<void>
}

/** Choices of the user that hold until he makes others. */
export interface SettingStore {
  readSetting(name: SettingName): Promise<string | undefined>
  /** Undefined takes it back. */
  saveSetting(name: SettingName, value: string | undefined): Promise<void>
}

/** The names in references that the embedded registry ever had: each address that it was served at, or cached for. */
export interface EmbeddedNameStore {
  addEmbeddedName(registry: RegistryHost): Promise<void>
  /** In lexical order. */
  listEmbeddedNames(): Promise<readonly RegistryHost[]>
}

/** `embedded-registry`: its name in references, by where `serve` last listened. `collector`: the URL of the one that is asked. `collector-account`: who we are there. `cloud-foundry`: the API that was logged in to, and what is targeted there, as JSON. */
type SettingName = 'embedded-registry' | 'collector' | 'collector-account' | 'cloud-foundry'

export interface RecordStore
  extends RegistryStore,
    CachedImageStore,
    CachedImageOwnerStore,
    BlobLocationStore,
    LoginStore,
    AllowedHelperStore,
    AppRecordStore,
    SettingStore,
    EmbeddedNameStore {
  /**
   * Makes the store where it is missing, before work that would be in vain if it could not be remembered.
   * @throws {HoldfastError} STORAGE when nothing can be written.
   */
  prepareForWriting(): Promise<void>
  close(): void
}
