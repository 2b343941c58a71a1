/**
 * What the server needs of a store that receives blobs in pieces. A session lives in the store, not in the server: it survives a restart, and its offset is the
 * number of bytes that it holds.
 */
import type {BlobSource, CallOptions, ContentStore, RepositoryLister, SourceStore} from '../content/store.ts'
import type {BlobDescriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName} from '../oci/reference.ts'

interface AppendOptions extends CallOptions {
  readonly expectedBytes?: number | undefined
}

interface UploadSessions {
  /** Opens a session and answers with its id, a uuid. */
  startUpload(repository: RepositoryName): Promise<string>
  /** How many bytes the session holds; undefined when the repository has no such session. */
  statUpload(repository: RepositoryName, id: string): Promise<number | undefined>
  /**
   * Appends what `source` pushes, `expectedBytes` where that is known, and answers with the new offset. When the source fails, what it had pushed stays; when the
   * disk is full, the session is removed.
   * @throws {HoldfastError} BLOB_NOT_FOUND without such a session; CONFLICT when `offset` is not its offset, or when another call is writing to it.
   */
  appendUpload(repository: RepositoryName, id: string, offset: number, source: BlobSource, options?: AppendOptions): Promise<number>
  /**
   * Makes the session's bytes a blob of the repository, and ends the session.
   * @throws {HoldfastError} INTEGRITY when they do not have that digest, nothing being visible then; BLOB_NOT_FOUND and CONFLICT as above.
   */
  finishUpload(repository: RepositoryName, id: string, digest: Digest): Promise<BlobDescriptor>
  /** Drops the session and its bytes; answers whether there was one. */
  cancelUpload(repository: RepositoryName, id: string): Promise<boolean>
}

/** A store that a registry can be served from, which takes no change. */
export interface ReadableStore extends SourceStore, RepositoryLister {
  /** Why a manifest that it has just answered may be out of date: the value of a `Warning` header (RFC 9111 §5.5). */
  warningOf?(answer: object): string | undefined
}

/** A store that a registry can be served from. */
export interface ServableStore extends ReadableStore, ContentStore, UploadSessions {}
