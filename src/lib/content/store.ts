/**
 * The content port: where images live. Everything that moves, serves, mirrors or prunes images does it through these interfaces.
 *
 * Invariants, for every implementation:
 * - a blob or manifest is visible under its digest only when it is whole and its bytes match;
 * - bytes read are exactly the bytes written; a manifest is never re-encoded;
 * - names, tags and digests are branded values, checked where they entered, so that none can leave a path or a URL.
 *
 * Implementers: `filesystem/` (CNCF Distribution's on-disk layout), `remote/` (any registry), `oci-layout/` (a directory in the OCI image layout).
 * One contract suite runs against each of them.
 */
import type {ByteSink} from '../core/byte-sink.ts'
import type {BlobDescriptor, Descriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import type {RawManifest} from '../oci/manifest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface StatOptions extends CallOptions {
  /** Nothing is expected there, so that a registry's refusal of HEAD is not worth a GET: for a target that is about to be written to. */
  readonly isLikelyAbsent?: boolean
}

interface BlobRange {
  /** First byte wanted, from 0. */
  readonly start: number
  /** Last byte wanted, inclusive; the blob's last byte when absent. */
  readonly end?: number
}

export interface ReadBlobOptions extends CallOptions {
  readonly range?: BlobRange
}

export interface BlobReader {
  /** The size in bytes, or undefined when the repository has no such blob. */
  statBlob(repository: RepositoryName, digest: Digest, options?: StatOptions): Promise<number | undefined>
  /**
   * Pushes the blob's bytes into `sink`; settles once the last slice was released. A broken connection is resumed inside, so the sink sees each byte once.
   * The size is checked against the descriptor; the digest is not: whoever stores the bytes does that.
   * @throws {HoldfastError} BLOB_NOT_FOUND; INTEGRITY when more or fewer bytes come than the descriptor says.
   */
  readBlob(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, options?: ReadBlobOptions): Promise<void>
}

/** Bytes that a store asks for when it turns out to need them: pushes them into `sink` from `start` on. May be called again after a failure. */
export type BlobSource = (sink: ByteSink, start: number, signal?: AbortSignal) => Promise<void>

/** How a blob came to be in a repository; `present` and `mounted` mean that no byte moved. */
export type BlobOutcome = 'present' | 'mounted' | 'uploaded'

export interface WriteBlobOptions extends CallOptions {
  /** A repository of the same store that is known to hold the blob: mounted from there where the store can. */
  readonly mountFrom?: RepositoryName
  /** The repository is known not to hold the blob, so that looking for it there is wasted. */
  readonly isAbsent?: boolean
  /** What the repository has under the digest is not the blob: it is neither found nor mounted, and its bytes are written again. */
  readonly isDamaged?: boolean
  /** Hash the bytes ourselves even where the store has proven that it refuses a wrong digest. */
  readonly verify?: boolean
}

interface BlobWriter {
  /**
   * Makes sure that the repository holds the blob: finds it there, mounts it, or asks `source` for its bytes, in that order.
   * @throws {HoldfastError} INTEGRITY when the bytes are not the blob's; nothing is then visible in the store.
   */
  writeBlob(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options?: WriteBlobOptions): Promise<BlobOutcome>
}

export interface ManifestReader {
  /** What a tag or digest names, without fetching it; undefined when there is no such manifest. */
  statManifest(repository: RepositoryName, reference: Tag | Digest, options?: StatOptions): Promise<Descriptor | undefined>
  /**
   * The manifest, its digest computed by us and equal to the digest asked for; undefined when there is none.
   * @throws {HoldfastError} INTEGRITY
   */
  readManifest(repository: RepositoryName, reference: Tag | Digest, options?: CallOptions): Promise<RawManifest | undefined>
}

interface ManifestWriter {
  /**
   * Stores a manifest under its digest and, when `reference` is a tag, points the tag at it last. Resolves only when the store has confirmed both.
   * @throws {HoldfastError} UNSUPPORTED when the store cannot keep the digest.
   */
  writeManifest(repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest, options?: CallOptions): Promise<void>
}

interface TagLister {
  /** Tags in lexical order; pages are fetched as they are consumed. */
  listTags(repository: RepositoryName, options?: ListTagsOptions): AsyncIterable<Tag>
}

export interface ListTagsOptions extends CallOptions {
  /** Only tags behind this one. */
  readonly last?: string
  readonly limit?: number
  /** Told of each name in a registry's list that is not a valid tag, and is left out for that. */
  readonly onInvalid?: ((name: string) => void) | undefined
}

interface ReferrerLister {
  /** Manifests whose `subject` is `subject`; by the referrers API, or by the fallback tag where the store has none (distribution-spec 1.1). */
  listReferrers(repository: RepositoryName, subject: Digest, options?: CallOptions): Promise<readonly Descriptor[]>
}

export interface RepositoryLister {
  /** Repositories in lexical order. */
  listRepositories(options?: CallOptions & {readonly last?: string; readonly limit?: number}): AsyncIterable<RepositoryName>
}

export interface ContentDeleter {
  /** Each answers whether there was something to delete. */
  deleteTag(repository: RepositoryName, tag: Tag, options?: CallOptions): Promise<boolean>
  deleteManifest(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<boolean>
  deleteBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<boolean>
}

/** What a copy reads from. */
export interface SourceStore extends BlobReader, ManifestReader, TagLister, ReferrerLister {}

/** What a copy writes to; reading is needed to find out what is already there. */
export interface TargetStore extends ManifestReader, BlobWriter, ManifestWriter {
  statBlob: BlobReader['statBlob']
  /** How many blobs may move to this store at once; stores that adapt change it as they go. */
  readonly blobConcurrency: number
}

/** A store with every power. */
export interface ContentStore extends SourceStore, TargetStore, ContentDeleter {}
