/**
 * The collector's store port: everything that a collector knows. Implementer: `sql/`, over SQLite or PostgreSQL.
 *
 * Invariants:
 * - ids are never given twice, and names of users, groups and apps not to another one after a removal: they stand in paths, and so no account inherits the namespace of another one. What was removed can be
 *   restored under both;
 * - passwords and secrets come and go as hashes; the tokens here are hashes as well;
 * - a call does all of its work or none, and what it acknowledged survives a crash.
 */
import type {LoginHistory} from '../accounts/throttle.ts'
import type {KnownTag, Purged, Sighting} from '../discovery/sweep-ports.ts'
import type {IndexChange} from '../events/index-changes.ts'
import type {RepositoryName} from '../oci/reference.ts'
import type {App, Group, IndexedRepository, IndexedTag, ManagedRegistry, ObjectKind, Service, User} from './objects.ts'

/** The id of an object in another collector: kept if it is greater than every one that was given here, and so belongs to no other object. */
type WantedId = number | undefined

interface NewUser {
  readonly name: string
  readonly email?: string | undefined
  readonly source: string
  /** Absent for accounts whose password a directory knows. */
  readonly passwordHash?: string | undefined
  readonly isAdministrator?: boolean | undefined
  readonly id?: WantedId
}

interface UserChange {
  readonly email?: string | undefined
  readonly passwordHash?: string | undefined
  readonly isDisabled?: boolean | undefined
  readonly isAdministrator?: boolean | undefined
  readonly source?: string | undefined
  /** Id of a group; it counts while the user is a member. */
  readonly primaryGroupId?: number | undefined
}

export interface UserStore {
  /** @throws {HoldfastError} CONFLICT when the name is taken, or was somebody's. */
  addUser(user: NewUser): Promise<User>
  findUser(nameOrId: string | number): Promise<User | undefined>
  /** By name. */
  listUsers(): Promise<readonly User[]>
  updateUser(id: number, change: UserChange): Promise<void>
  removeUser(id: number): Promise<void>
  /**
   * Holds a user to one person of his directory: to this one if he was nobody's yet. Answers whether he is this one's; names are given again elsewhere, and the
   * next one who has it inherits nothing.
   */
  bindSubject(userId: number, subject: string): Promise<boolean>
  /** The hash of an internal account's password. */
  findPasswordHash(id: number): Promise<string | undefined>
  /** Replaces the organisational groups of a user by those of these names, and makes those that are missing: what a directory says at a login. */
  replaceGroups(userId: number, groups: readonly string[]): Promise<void>
}

export interface GroupStore {
  /** @throws {HoldfastError} CONFLICT when the name is taken, or was another group's. */
  addGroup(name: string, id?: WantedId): Promise<Group>
  findGroup(nameOrId: string | number): Promise<Group | undefined>
  /** By name. */
  listGroups(): Promise<readonly Group[]>
  /** Its members, and what was published to it, are without it from then on. */
  removeGroup(id: number): Promise<void>
  /** Answers whether he was none before. */
  addMember(groupId: number, userId: number): Promise<boolean>
  /** Answers whether he was one before. */
  removeMember(groupId: number, userId: number): Promise<boolean>
}

interface AppChange {
  /** Ids of groups. */
  readonly responsibles?: readonly number[] | undefined
  readonly publications?: readonly number[] | undefined
}

export interface AppStore {
  /** @throws {HoldfastError} CONFLICT when the code is taken, or was another app's. */
  addApp(code: string, id?: WantedId): Promise<App>
  findApp(codeOrId: string | number): Promise<App | undefined>
  /** By code. */
  listApps(): Promise<readonly App[]>
  updateApp(id: number, change: AppChange): Promise<void>
  /** Its services go with it. */
  removeApp(id: number): Promise<void>
}

export interface ServiceStore {
  /** @throws {HoldfastError} CONFLICT when the name is taken. */
  addService(service: {readonly name: string; readonly appId: number; readonly secretHash: string}): Promise<Service>
  findService(name: string): Promise<Service | undefined>
  /** By name. */
  listServices(): Promise<readonly Service[]>
  updateService(id: number, change: {readonly secretHash?: string | undefined; readonly isDisabled?: boolean | undefined}): Promise<void>
  removeService(id: number): Promise<void>
  findSecretHash(id: number): Promise<string | undefined>
}

/** An object that was removed. */
export interface RemovedObject {
  readonly kind: ObjectKind
  readonly name: string
  /** Absent, as what follows, for what an older Holdfast removed: it is restored with another id, and nothing but its name. */
  readonly id?: number
  readonly removedAt?: string
}

export interface TombstoneStore {
  /** By kind and name. */
  listRemoved(): Promise<readonly RemovedObject[]>
  /**
   * Gives an object back under its name and id, with the groups, members and roles that are still there; without its password, secret and tokens.
   * @returns whether one of that name was removed.
   * @throws {HoldfastError} CONFLICT when there is another one by now, or what it belongs to is gone.
   */
  restoreRemoved(kind: ObjectKind, name: string): Promise<boolean>
}

/** What is said of a managed registry. */
export type RegistryFacts = Pick<
  ManagedRegistry,
  'name' | 'service' | 'url' | 'insecure' | 'restricted' | 'tokenHeader' | 'tokenLifeSeconds'
>

interface RegistryChange extends Partial<Omit<RegistryFacts, 'name'>> {
  /** Ids of groups. */
  readonly publications?: readonly number[] | undefined
  readonly responsibles?: readonly number[] | undefined
  readonly eventsSecretHash?: string | undefined
}

export interface ManagedRegistryStore {
  /** @throws {HoldfastError} CONFLICT when the name, the service, or the place of the URL is taken; the registry of `serve` takes no place. */
  addManagedRegistry(registry: RegistryFacts): Promise<ManagedRegistry>
  findManagedRegistry(by: {readonly name: string} | {readonly service: string}): Promise<ManagedRegistry | undefined>
  /** By name. */
  listManagedRegistries(): Promise<readonly ManagedRegistry[]>
  /** Another URL or service ends what was proven. @throws {HoldfastError} CONFLICT as `addManagedRegistry`. */
  updateManagedRegistry(id: number, change: RegistryChange): Promise<void>
  /** Records since when it is proven, or that it is not; nothing when its URL or service has changed meanwhile. */
  markProven(registry: Pick<ManagedRegistry, 'id' | 'url' | 'service'>, provenAt: string | undefined): Promise<void>
  /** What is known of its repositories goes as well. */
  removeManagedRegistry(id: number): Promise<void>
  findEventsSecretHash(id: number): Promise<string | undefined>
}

/** Groups by id, where decisions are made. */
export interface GroupIds {
  readonly publications: ReadonlySet<number>
  readonly responsibles: ReadonlySet<number>
}

export interface AccessStore {
  /** Ids of the organisational groups of a user. */
  groupsOfUser(userId: number): Promise<ReadonlySet<number>>
  groupsOfApp(appId: number): Promise<GroupIds>
  groupsOfRegistry(registryId: number): Promise<GroupIds>
  /** Apps that are published to one of these groups, or that one of them is responsible for. */
  appsOfGroups(groups: ReadonlySet<number>): Promise<readonly RelatedApp[]>
}

/** An app, and what the groups that were asked about are to it. */
interface RelatedApp {
  readonly id: number
  readonly code: string
  readonly isPublished: boolean
  readonly isResponsible: boolean
}

interface NewRefreshToken {
  readonly tokenHash: string
  readonly subject: Subject
  readonly service: string
  readonly client: string
  /** ISO 8601. */
  readonly expiresAt: string
}

/** Who a token stands for. */
interface Subject {
  readonly kind: 'user' | 'service'
  readonly id: number
}

/** A refresh token that was given out, without what proves it. */
export interface IssuedToken {
  readonly id: number
  readonly subject: Subject
  readonly service: string
  readonly client: string
  readonly createdAt: string
  readonly usedAt: string
  readonly expiresAt: string
}

export interface RefreshTokenStore {
  addRefreshToken(token: NewRefreshToken): Promise<void>
  findRefreshToken(tokenHash: string): Promise<IssuedToken | undefined>
  /** Notes that it was used now. */
  touchRefreshToken(id: number): Promise<void>
  /** Newest first; of a subject, or of all. */
  listRefreshTokens(subject?: Subject): Promise<readonly IssuedToken[]>
  /** Answers how many there were. */
  revokeRefreshTokens(which: {readonly id: number} | {readonly subject: Subject}): Promise<number>
}

export interface SessionStore {
  addSession(session: {readonly tokenHash: string; readonly userId: number; readonly expiresAt: string}): Promise<void>
  /** The user of a session that has not ended. */
  findSession(tokenHash: string): Promise<User | undefined>
  removeSession(tokenHash: string): Promise<boolean>
  /** Ends all sessions of a user. */
  removeSessionsOf(userId: number): Promise<void>
}

/** Documents that are read and replaced whole, such as the signing keys. */
export interface DocumentStore {
  readDocument(name: string): Promise<string | undefined>
  /**
   * Replaces it if it still is what the caller read; undefined for one that was not there.
   * @returns whether it was replaced: another replica may have been faster.
   */
  replaceDocument(name: string, previous: string | undefined, content: string): Promise<boolean>
}

/** A notification of a registry, as it is kept. */
export interface LoggedEvent {
  /** The registry's own id of it. */
  readonly eventId: string
  /** ISO 8601. */
  readonly occurredAt: string
  readonly action: string
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: string | undefined
  readonly mediaType?: string | undefined
  readonly actor?: string | undefined
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
}

type WithoutUndefined<T> = {[K in keyof T]: Exclude<T[K], undefined>}

export interface EventRow extends WithoutUndefined<LoggedEvent> {
  /** Grows with time. */
  readonly id: number
  readonly registry: string
  readonly receivedAt: string
}

/** Whose events: of these registries whole, and of these namespaces (`users/ann/`) in every registry. */
export interface EventScope {
  /** Ids. */
  readonly registries: readonly number[]
  readonly namespaces: readonly string[]
}

interface EventFilter {
  /** Only what is in it; everything when absent. */
  readonly scope?: EventScope | undefined
  readonly registry?: string | undefined
  readonly repository?: string | undefined
  readonly action?: string | undefined
  /** ISO 8601: not older than this. */
  readonly since?: string | undefined
  /** Newer than this id; for following. */
  readonly after?: number | undefined
  readonly limit: number
}

export interface EventStore {
  /**
   * Keeps those that were not known, and changes the index by them, in one: what is in the log is in the index.
   * @param changes by event id; an event without one changes nothing.
   * @returns the ids of the events that were not known.
   */
  appendEvents(registryId: number, events: readonly LoggedEvent[], changes: ReadonlyMap<string, IndexChange>): Promise<ReadonlySet<string>>
  /** Oldest first; the newest `limit` of those that match, or with `after` the oldest `limit`. */
  listEvents(filter: EventFilter): Promise<readonly EventRow[]>
}

export interface AuditEntry {
  readonly requestId: string
  readonly principal: string
  readonly address: string
  readonly action: string
  readonly object: string
  readonly outcome: 'granted' | 'refused' | 'failed'
  readonly rule: string
  /** More than the caller was told. */
  readonly reason?: string | undefined
}

export interface AuditRow extends WithoutUndefined<AuditEntry> {
  readonly id: number
  readonly at: string
}

export interface AuditStore {
  appendAudit(entries: readonly AuditEntry[]): Promise<void>
  /** Oldest first; the newest `limit` of those that match. */
  listAudit(filter: {
    readonly principal?: string | undefined
    readonly since?: string | undefined
    readonly limit: number
  }): Promise<readonly AuditRow[]>
}

interface RepositoryDescription {
  readonly description?: string | undefined
  readonly isOfficial?: boolean | undefined
  readonly isAutomated?: boolean | undefined
}

/** What users say of a repository. */
interface DescribedRepository {
  readonly registry: string
  readonly name: string
  readonly description: string
  readonly isOfficial: boolean
  readonly isAutomated: boolean
  /** Names of the users who gave a star. */
  readonly stars: readonly string[]
}

export interface IndexStore {
  /** What events change, in their order; each is later than everything that the index knows. */
  applyIndexChanges(registryId: number, changes: readonly IndexChange[]): Promise<void>
  /** The tags of a repository, and when it was learnt what they name. */
  knownTags(registryId: number, repository: RepositoryName): Promise<readonly KnownTag[]>
  /** What a sweep saw; what was learnt later, from an event, stays. A repository that was not known and has no tag stays unknown: registries list those that were emptied. */
  noteSighting(registryId: number, sighting: Sighting): Promise<void>
  /** Forgets what nobody has seen since then: the end of a complete sweep. */
  purgeUnseen(registryId: number, before: string): Promise<Purged>
  findRepository(registryId: number, repository: RepositoryName): Promise<IndexedRepository | undefined>
  /** By name; those after a name, and so many, when told so. */
  listRepositories(registryId: number, page?: {readonly after: string; readonly limit: number}): Promise<readonly IndexedRepository[]>
  countRepositories(registryId: number): Promise<number>
  /** Newest first. */
  listIndexedTags(repositoryId: number): Promise<readonly IndexedTag[]>
  describeRepository(id: number, description: RepositoryDescription): Promise<void>
  /** Those with a description, a mark or a star, by registry and name. */
  listDescribedRepositories(): Promise<readonly DescribedRepository[]>
  /** Makes a repository known, as if it had been seen now; the next sweep forgets it if the registry does not have it. @returns its id. */
  expectRepository(registryId: number, repository: RepositoryName): Promise<number>
  /** Forgets a repository with its tags, description and stars. */
  forgetRepository(id: number): Promise<void>
  /** Answers whether there was none before. */
  star(repositoryId: number, userId: number): Promise<boolean>
  unstar(repositoryId: number, userId: number): Promise<boolean>
  /** Leaves the stars of these users, and no others. */
  replaceStars(repositoryId: number, userIds: readonly number[]): Promise<void>
}

/** Repositories of one registry, by the owners of their paths: `users/ann`, `apps/7`, or `ROOT_OWNER`. */
export interface VisibleRepositories {
  readonly registryId: number
  readonly owners: readonly string[] | 'all'
}

export interface SearchStore {
  /**
   * The best `limit` repositories of these whose name or description contains the term, in lower case; all for the empty one. A term of one character is
   * looked for at the beginning of components, one of two characters in names alone. The name itself comes first, then names whose last component it is, components that begin with it, names that contain it, and
   * descriptions; among equals official ones, then by stars, by pulls and by name. Of more matches than can be ranked, those that come first in the index are.
   * @returns how many were found; with `isMore`, there are more than that.
   */
  searchRepositories(
    visible: readonly VisibleRepositories[],
    term: string,
    limit: number,
  ): Promise<{readonly count: number; readonly isMore: boolean; readonly results: readonly IndexedRepository[]}>
  /** Names in their order: those after a name, and so many. */
  listVisible(visible: VisibleRepositories, page: {readonly after: string; readonly limit: number}): Promise<readonly string[]>
}

/** Which cached reference stands for what. */
export interface CachedImageNote {
  /** `host[:port]`, as in references. */
  readonly registry: string
  readonly repository: string
  /** The source reference with every default written out. */
  readonly source: string
  readonly sourceDigest: string
  /** Of the copy. */
  readonly digest: string
  readonly platforms?: readonly string[] | undefined
  readonly app?: string | undefined
  readonly sizeBytes: number
  /** ISO 8601. */
  readonly createdAt: string
  /** Who cached it. */
  readonly principal: string
}

export interface CachedImageNoteStore {
  /** Adds it, or brings the one that is the same up to date. */
  noteCachedImage(note: CachedImageNote): Promise<void>
  /** By guid, digest (or the start of either, 6 characters at least), app, or any part of the source; all for the empty text. Newest first, a thousand at most. */
  findCachedImages(query: string): Promise<readonly CachedImageNote[]>
}

/** How many rows were removed. */
export interface PurgedRecords {
  readonly audit: number
  readonly events: number
  readonly refreshTokens: number
  readonly sessions: number
  readonly loginKeys: number
}

/** What is kept no longer; times are ISO 8601. */
interface RecordLimits {
  readonly auditBefore: string
  readonly eventsBefore: string
  /** Tokens and sessions that had expired by then. */
  readonly tokensBefore: string
  /** Refused logins in the audit log. */
  readonly maxFailedLogins: number
  /** Of failures, and of successes. */
  readonly maxLoginKeys: number
}

export interface RetentionStore {
  /** Removes what is older, and the oldest of what is more. */
  purgeRecords(limits: RecordLimits): Promise<PurgedRecords>
}

export interface CollectorStore
  extends UserStore,
    LoginHistory,
    CachedImageNoteStore,
    GroupStore,
    AppStore,
    ServiceStore,
    ManagedRegistryStore,
    AccessStore,
    RefreshTokenStore,
    SessionStore,
    DocumentStore,
    EventStore,
    AuditStore,
    IndexStore,
    RetentionStore,
    SearchStore,
    TombstoneStore {
  /**
   * Does all of the work or none, as if no other change were made meanwhile; the work may be begun again, and must use the store that it is given alone.
   * @throws whatever the work throws: nothing was changed then.
   */
  transaction<T>(work: (store: CollectorStore) => Promise<T>): Promise<T>
  close(): Promise<void>
}
