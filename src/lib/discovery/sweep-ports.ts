/** What a sweep reads from and writes to. */
import type {CallOptions} from '../content/store.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import type {Attachment} from './attachment-tag.ts'

/**
 * A registry as a sweep sees it. Implementer: `registry-source.ts`.
 *
 * Invariant: a list that ends without an error was read to its end. What is not in it is forgotten; so a doubt is an error.
 */
export interface SweepSource {
  /** A generator, or another iterator whose `next` may be called before the last call has settled. */
  listRepositories(options?: CallOptions): AsyncIterable<RepositoryName>
  /** No tags for a repository that has lost them all. @throws {RegistryError} with `NAME_UNKNOWN` when the registry has no such repository. */
  listTags(repository: RepositoryName, options?: CallOptions): AsyncIterable<Tag>
  /** What a tag names; undefined when there is no such tag any more. */
  statManifest(repository: RepositoryName, tag: Tag, options?: CallOptions): Promise<Descriptor | undefined>
}

/** A tag that the index has. */
export interface KnownTag {
  readonly tag: Tag
  /** When the index last learnt what it names, from an event or a sweep, by the collector's clock (ISO 8601). */
  readonly learntAt: string
}

/** What a tag named when the registry was asked. */
export interface LearntTag {
  readonly tag: Tag
  readonly digest: Digest
  readonly mediaType: string
  /** Present when the tag is no version of an image. */
  readonly attachment?: Attachment
  /** When the registry was asked (ISO 8601): what the index learnt later, from an event, is newer and stays. */
  readonly askedAt: string
}

/** A repository was seen, and some of its tags with it. There are several of one repository in a sweep when it has many tags. */
export interface Sighting {
  readonly repository: RepositoryName
  /** When, by the collector's clock (ISO 8601): the repository and all of these tags were seen then. */
  readonly seenAt: string
  readonly learnt: readonly LearntTag[]
  /** Tags that are still there; what they name was not asked. The index need not know them. */
  readonly present: readonly Tag[]
}

export interface Purged {
  readonly repositories: number
  readonly tags: number
}

/** The index of one registry, as a sweep fills it. Safe for concurrent calls for different repositories. */
export interface SweepIndex {
  /** The tags that the index has of a repository; none for one that it does not know. */
  knownTags(repository: RepositoryName): Promise<readonly KnownTag[]>
  note(sighting: Sighting): Promise<void>
  /** Forgets every repository and tag that neither a sweep nor an event has seen since `before` (ISO 8601, by the collector's clock). */
  purge(before: string): Promise<Purged>
}
