/**
 * A content store in a directory, in the on-disk layout of CNCF Distribution: `docker-registry serve` over the same directory serves every image of it, and this
 * store serves every image that docker-registry wrote. Several processes may use one directory at once; each file appears whole, by a rename.
 *
 * @see docs/storage-format.md
 */
import {readdir, rm, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import {describeManifest, type RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import {type DiskHealth, diskHealth} from '../disk/disk-health.ts'
import {FreeSpace, type MeasureSpace} from '../disk/free-space.ts'
import type {Quota} from '../disk/quota.ts'
import {onDisk} from '../disk/storage-error.ts'
import {HashThread} from '../disk/trailing-hash.ts'
import type {BlobOutcome, BlobSource, CallOptions, ContentStore, RepositoryLister} from '../store.ts'
import {FilesystemBlobs, type FilesystemWriteOptions} from './blobs.ts'
import {KeptContent} from './kept-content.ts'
import {RegistryLayout} from './layout.ts'
import {FilesystemManifests} from './manifests.ts'
import {FilesystemReferrers} from './referrers.ts'
import {walkRepositories} from './repositories.ts'
import {StoredFiles} from './stored-files.ts'
import {FilesystemTags} from './tags.ts'
import type {UploadId} from './upload-id.ts'
import {type AppendOptions, FilesystemUploads, PRESSED_UPLOAD_MS, STALE_UPLOAD_MS} from './uploads.ts'
import {measureUsedBytes} from './used-space.ts'

/** Blobs written at once: more only makes them wait for the same disk. */
const BLOB_CONCURRENCY = 4

/** Blobs that arrive in pieces, over several requests and restarts. */
export interface UploadSessions {
  startUpload(repository: RepositoryName): Promise<UploadId>
  /** How many bytes the session has, which is where the next ones go; undefined when there is no such session. */
  statUpload(repository: RepositoryName, id: string): Promise<number | undefined>
  /**
   * Appends what `source` pushes; answers with the new offset. When the source fails, what it had pushed stays; when the disk is full, the session is removed.
   * @throws {HoldfastError} BLOB_NOT_FOUND without such a session; CONFLICT when `offset` is not its offset (`details.offset` is) or another call writes to it.
   */
  appendUpload(repository: RepositoryName, id: string, offset: number, source: BlobSource, options?: AppendOptions): Promise<number>
  /**
   * Makes the bytes a blob of the repository. They are on the disk when this settles.
   * @throws {HoldfastError} INTEGRITY when they do not have that digest, and the session is then gone; BLOB_NOT_FOUND and CONFLICT as above.
   */
  finishUpload(repository: RepositoryName, id: string, digest: Digest): Promise<BlobDescriptor>
  /** Answers whether there was such a session. */
  cancelUpload(repository: RepositoryName, id: string): Promise<boolean>
  /**
   * Removes sessions, and what killed processes left, that no client wrote to for seven days; for one hour when the disk is full or `isPressed`. Also makes what
   * Distribution expects and earlier versions did not write. Returns the number of sessions.
   */
  purgeStaleUploads(options?: PurgeOptions): Promise<number>
}

export interface PurgeOptions extends CallOptions {
  /** Some upload was refused because the disk is full. */
  readonly isPressed?: boolean
}

export interface FilesystemStoreOptions {
  /** The directory that holds `docker/registry/v2`. */
  readonly root: string
  /** What images may take, shared by the stores of a mirror. */
  readonly quota?: Quota | undefined
  /** How the disk is measured; by the system when absent. */
  readonly measureSpace?: MeasureSpace
}

export interface FilesystemStore extends ContentStore, RepositoryLister, UploadSessions {
  writeBlob(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, options?: FilesystemWriteOptions): Promise<BlobOutcome>
  /** Stores a manifest of which parts may still be missing, as a mirror does. */
  writeSparseManifest(repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest): Promise<void>
  /** The digests of all manifests of a repository, whether or not a tag names them. */
  listManifests(repository: RepositoryName): Promise<readonly Digest[]>
  /**
   * Makes a blob part of a repository whose bytes this store, or one of `others` on the same disk, has already. Only for stores whose clients may read every repository of all
   * of them. Returns whether there were such bytes.
   */
  adoptBlob(repository: RepositoryName, blob: BlobDescriptor, others: readonly FilesystemStore[]): Promise<boolean>
  /** What a mirror does beside serving what it keeps. */
  readonly keptContent: KeptContent
  /** The bytes of its blobs and manifests. */
  measureUsedBytes(options?: CallOptions): Promise<number>
  /** What can be done with its directory now. */
  health(): Promise<DiskHealth>
  /** Where the store is, as an absolute path. */
  readonly root: string
  /** A folder beside the content, for what a mirror has to remember. */
  readonly journalDirectory: string
  /** The files of blobs and manifests, for those who check them. */
  readonly files: StoredFiles
  /** Whether a blob of that size leaves the reserve of the disk as it is. */
  hasRoom(sizeBytes: number): Promise<boolean>
  /** Ends the thread that hashes; the store must not be used any more. */
  close(): Promise<void>
}

/** Opens the store at `root`, which need not exist: it is made by the first write, and nothing is written before. */
export function createFilesystemStore(options: FilesystemStoreOptions): FilesystemStore {
  const layout = new RegistryLayout(options.root)
  const thread = new HashThread()
  const space = new FreeSpace(layout.root, options.measureSpace, options.quota)
  const uploads = new FilesystemUploads(layout, thread, space)
  const blobs = new FilesystemBlobs(layout, uploads)
  const tags = new FilesystemTags(layout)
  const manifests = new FilesystemManifests(layout, blobs, tags)
  const referrers = new FilesystemReferrers(layout, manifests)
  const {root} = layout
  const guard = async <T>(verb: string, object: string, signal: AbortSignal | undefined, operation: () => Promise<T>): Promise<T> =>
    await onDisk(verb, object, root, async () => {
      signal?.throwIfAborted()
      return await operation()
    })

  /** Small files of clients too fill a disk. */
  const grow = async <T>(verb: string, object: string, signal: AbortSignal | undefined, bytes: number, operation: () => Promise<T>) =>
    await guard(verb, object, signal, async () => {
      await space.assertRoomForRecord(bytes)
      return await operation()
    })

  return {
    root,
    journalDirectory: layout.journal(),
    files: new StoredFiles(layout),
    hasRoom: (sizeBytes) => space.hasRoom(sizeBytes),
    blobConcurrency: BLOB_CONCURRENCY,

    statBlob: (repository, digest, {signal} = {}) => guard('look up blob', digest, signal, () => blobs.stat(repository, digest)),
    readBlob: (repository, blob, sink, call = {}) =>
      guard('read blob', blob.digest, call.signal, () => blobs.read(repository, blob, sink, call)),
    writeBlob: (repository, blob, source, call = {}) =>
      grow('store blob', blob.digest, call.signal, 0, () => blobs.write(repository, blob, source, call)),
    deleteBlob: (repository, digest, {signal} = {}) => guard('delete blob', digest, signal, () => blobs.delete(repository, digest)),

    statManifest: (repository, reference, {signal} = {}) =>
      guard('look up manifest', reference, signal, async () => {
        const raw = await manifests.read(repository, reference)
        return raw === undefined ? undefined : describeManifest(raw)
      }),
    readManifest: (repository, reference, {signal} = {}) =>
      guard('read manifest', reference, signal, () => manifests.read(repository, reference)),
    writeManifest: (repository, reference, manifest, {signal} = {}) =>
      grow('store manifest', reference, signal, manifest.bytes.length, () => manifests.write(repository, reference, manifest)),
    writeSparseManifest: (repository, reference, manifest) =>
      guard('store manifest', reference, undefined, () => manifests.writeSparse(repository, reference, manifest)),
    deleteManifest: (repository, digest, {signal} = {}) =>
      guard('delete manifest', digest, signal, () => manifests.delete(repository, digest)),

    listManifests: (repository) => guard('list manifests of', repository, undefined, () => manifests.list(repository)),
    listTags: (repository, call = {}) => stoppable(tags.list(repository, call), call.signal),
    deleteTag: (repository, tag, {signal} = {}) => guard('delete tag', tag, signal, () => tags.delete(repository, tag)),
    listReferrers: (repository, subject, {signal} = {}) =>
      guard('list referrers of', subject, signal, () => referrers.list(repository, subject)),
    listRepositories: (call = {}) => stoppable(listRepositories(layout, call), call.signal),

    startUpload: (repository) => grow('start upload to', repository, undefined, 0, () => uploads.start(repository)),
    statUpload: (repository, id) => guard('look up upload', id, undefined, () => uploads.offset(repository, id)),
    appendUpload: (repository, id, offset, source, call = {}) =>
      guard('append to upload', id, call.signal, () => uploads.append(repository, id, offset, source, call)),
    finishUpload: (repository, id, digest) => guard('finish upload', id, undefined, () => uploads.finish(repository, id, digest)),
    cancelUpload: (repository, id) => guard('cancel upload', id, undefined, () => uploads.cancel(repository, id)),
    purgeStaleUploads: ({isPressed = false, signal} = {}) =>
      guard('purge', root, signal, async () => {
        const idleMs = isPressed || (await space.isShort()) ? PRESSED_UPLOAD_MS : STALE_UPLOAD_MS
        return await tidy({layout, uploads, manifests}, Date.now() - idleMs, signal)
      }),

    adoptBlob: (repository, blob, others) =>
      guard('store blob', blob.digest, undefined, () =>
        blobs.adopt(
          repository,
          blob,
          others.map((other) => new RegistryLayout(other.root)),
        ),
      ),
    keptContent: new KeptContent(layout, manifests, tags),
    measureUsedBytes: ({signal} = {}) => guard('measure', root, signal, () => measureUsedBytes(layout, signal)),
    health: () => diskHealth(root, space),
    close: () => thread.close(),
  }

  async function* stoppable<T>(
    items: AsyncGenerator<T, void, undefined>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = await guard('list', root, signal, () => items.next())
      if (next.done) return
      yield next.value
    }
  }
}

/** A repository is a directory with manifests or layers; uploads alone make none. */
async function* listRepositories(
  layout: RegistryLayout,
  options: {readonly last?: string; readonly limit?: number},
): AsyncGenerator<RepositoryName, void, undefined> {
  let left = options.limit ?? Number.POSITIVE_INFINITY
  if (left <= 0) return
  for await (const {name, parts} of walkRepositories(layout.repositories(), options.last)) {
    if (!parts.has('_manifests') && !parts.has('_layers')) continue
    yield name
    left -= 1
    if (left <= 0) return
  }
}

interface StoreParts {
  readonly layout: RegistryLayout
  readonly uploads: FilesystemUploads
  readonly manifests: FilesystemManifests
}

async function tidy({layout, uploads, manifests}: StoreParts, before: number, signal: AbortSignal | undefined): Promise<number> {
  let purged = 0
  for await (const {name, parts} of walkRepositories(layout.repositories())) {
    signal?.throwIfAborted()
    if (parts.has('_manifests') && !parts.has('_layers')) await manifests.completeRepository(name)
    if (parts.has('_uploads')) purged += await uploads.purge(name, before)
  }
  for (const name of await readdir(layout.temporaries()).catch(ignoreMissing)) {
    signal?.throwIfAborted()
    const path = join(layout.temporaries(), name)
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && found.mtimeMs < before) await rm(path, {recursive: true, force: true})
  }
  return purged
}

function ignoreMissing(error: unknown): readonly string[] {
  if (hasErrno(error, 'ENOENT')) return []
  throw error
}
