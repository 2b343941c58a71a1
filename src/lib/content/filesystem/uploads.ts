/**
 * Upload sessions: blobs on their way in. A session is a directory, `_uploads/<uuid>`; its offset is the size of its file, so that it can go on after a restart.
 * A blob leaves it by a rename, after its digest was verified and its bytes are on the disk.
 */
import {open, readdir, rm, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {awaitedLater} from '../../core/awaited-later.ts'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError, IntegrityError} from '../../core/errors.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {openRegularFile} from '../../core/regular-file.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {type Digest, type DigestAlgorithm, digestAlgorithm} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {moveDurably} from '../disk/durable.ts'
import type {FreeSpace} from '../disk/free-space.ts'
import type {Growth} from '../disk/growing-file.ts'
import {receiveFile} from '../disk/receive-file.ts'
import {isDiskFull} from '../disk/storage-error.ts'
import type {HashThread, TrailingHash} from '../disk/trailing-hash.ts'
import type {BlobSource, CallOptions} from '../store.ts'
import type {RegistryLayout} from './layout.ts'
import {sizeOf, writeLink} from './links.ts'
import {createUploadId, isUploadId, type UploadId} from './upload-id.ts'

/** Sessions that no client wrote to for so long are removed; as long as Distribution keeps them. */
export const STALE_UPLOAD_MS = 7 * 24 * 60 * 60 * 1000
/** The same while the disk is full: no client that still uploads pauses for so long. */
export const PRESSED_UPLOAD_MS = 60 * 60 * 1000
/** Idle sessions whose running hash is kept; the hash of any other is computed again from its file. */
const MAX_IDLE_HASHES = 64
const USUAL_ALGORITHM: DigestAlgorithm = 'sha256'

export interface AppendOptions extends CallOptions {
  /** The size in bytes that the upload must not exceed. */
  readonly limitBytes?: number
  /** How many bytes `source` is said to push; when the disk has no room for them, it is not asked. */
  readonly expectedBytes?: number | undefined
  /** Told of the file that the bytes go to. */
  readonly growth?: Growth | undefined
}

export interface FinishOptions {
  /** The size in bytes that the blob must have. */
  readonly expectedBytes?: number
  /** Told when the digest was verified. */
  readonly growth?: Growth | undefined
}

interface RunningHash {
  readonly algorithm: DigestAlgorithm
  readonly hash: TrailingHash
}

export class FilesystemUploads {
  readonly #layout: RegistryLayout
  readonly #thread: HashThread
  readonly #space: FreeSpace
  readonly #busy = new Set<UploadId>()
  readonly #idleHashes = new Map<UploadId, RunningHash>()

  constructor(layout: RegistryLayout, thread: HashThread, space: FreeSpace) {
    this.#layout = layout
    this.#thread = thread
    this.#space = space
  }

  async start(repository: RepositoryName): Promise<UploadId> {
    const id = createUploadId()
    const directory = this.#layout.upload(repository, id)
    try {
      await makeDirectory(directory)
      await writeFile(join(directory, 'startedat'), rfc3339(new Date()))
      await writeFile(join(directory, 'data'), '')
    } catch (error) {
      // No client knows of it.
      await this.#remove(repository, id).catch(() => undefined)
      throw error
    }
    return id
  }

  async offset(repository: RepositoryName, id: string): Promise<number | undefined> {
    return isUploadId(id) ? await sizeOf(this.#data(repository, id)) : undefined
  }

  async append(repository: RepositoryName, id: string, offset: number, source: BlobSource, options: AppendOptions): Promise<number> {
    return await this.#exclusively(repository, id, 'append to', async (upload, size) => {
      if (offset !== size) {
        throw new HoldfastError(
          'CONFLICT',
          `cannot append to upload "${id}": it has ${size} bytes, the next ones were said to start at ${offset}`,
          {
            details: {upload: id, offset: size},
          },
        )
      }
      return await this.#unlessFull(repository, upload, async () => await this.#receive(repository, upload, offset, source, options))
    })
  }

  async finish(
    repository: RepositoryName,
    id: string,
    digest: Digest,
    {expectedBytes, growth}: FinishOptions = {},
  ): Promise<BlobDescriptor> {
    return await this.#exclusively(repository, id, 'finish', async (upload, size) => {
      const running = this.#takeHash(repository, upload, digestAlgorithm(digest))
      try {
        if (expectedBytes !== undefined && size !== expectedBytes) {
          throw new IntegrityError(`cannot store blob "${digest}": ${size} bytes were sent, its descriptor says ${expectedBytes}`, {
            details: {digest, expected: expectedBytes, actual: size},
          })
        }
        await this.#verify(repository, upload, {digest, size}, running.hash, growth)
        await moveDurably(this.#data(repository, upload), this.#layout.blobData(digest))
        await writeLink(this.#layout, this.#layout.layerLink(repository, digest), digest)
      } catch (error) {
        running.hash.abandon()
        if (error instanceof IntegrityError || isDiskFull(error)) await this.#remove(repository, upload)
        throw error
      }
      await this.#remove(repository, upload)
      return {digest, size}
    })
  }

  async cancel(repository: RepositoryName, id: string): Promise<boolean> {
    if ((await this.offset(repository, id)) === undefined || !isUploadId(id)) return false
    return await this.#exclusively(repository, id, 'cancel', async (upload) => {
      await this.#drop(repository, upload)
      return true
    })
  }

  /** Removes the sessions of a repository that were last written before `before`, in ms since 1970; answers how many. */
  async purge(repository: RepositoryName, before: number): Promise<number> {
    const directory = join(this.#layout.repository(repository), '_uploads')
    let purged = 0
    for (const id of (await readdir(directory)).filter(isUploadId)) {
      if (this.#busy.has(id) || (await lastWritten(join(directory, id))) >= before) continue
      await this.#drop(repository, id)
      purged += 1
    }
    return purged
  }

  async #receive(
    repository: RepositoryName,
    upload: UploadId,
    position: number,
    source: BlobSource,
    {limitBytes, expectedBytes = 0, growth, signal}: AppendOptions,
  ): Promise<number> {
    const beforeWrite = await this.#space.watch(position, position + expectedBytes)
    const running = this.#takeHash(repository, upload, USUAL_ALGORITHM)
    const file = await open(this.#data(repository, upload), 'r+')
    try {
      await growth?.opened(this.#data(repository, upload))
      return await receiveFile(file, source, {position, limitBytes, hash: running.hash, growth, beforeWrite, signal})
    } finally {
      await file.close()
      this.#keepHash(upload, running)
    }
  }

  /** A session that a full disk refused is removed at once: its bytes would keep the disk full, and every later upload would fail. */
  async #unlessFull<T>(repository: RepositoryName, id: UploadId, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (isDiskFull(error)) await this.#drop(repository, id)
      throw error
    }
  }

  /** Both at once: the bytes go to the disk while the hash catches up. */
  async #verify(
    repository: RepositoryName,
    id: UploadId,
    {digest, size}: BlobDescriptor,
    hash: TrailingHash,
    growth: Growth | undefined,
  ): Promise<void> {
    const compare = async (): Promise<void> => {
      const actual = await hash.finish(size)
      if (actual === digest) return growth?.verified()
      throw new IntegrityError(`cannot store blob "${digest}": the bytes sent have digest ${actual}`, {details: {expected: digest, actual}})
    }
    const file = await openRegularFile(this.#data(repository, id))
    try {
      const synced = awaitedLater(file.datasync())
      await compare()
      await synced
    } finally {
      await file.close()
    }
  }

  /** One call at a time for each session: two writers would tear its bytes. */
  async #exclusively<T>(repository: RepositoryName, id: string, verb: string, run: (id: UploadId, size: number) => Promise<T>): Promise<T> {
    if (isUploadId(id) && this.#busy.has(id)) {
      throw new HoldfastError('CONFLICT', `cannot ${verb} upload "${id}": another request is writing to it`, {details: {upload: id}})
    }
    if (isUploadId(id)) {
      this.#busy.add(id)
      try {
        const size = await this.offset(repository, id)
        if (size !== undefined) return await run(id, size)
      } finally {
        this.#busy.delete(id)
      }
    }
    throw new HoldfastError(
      'BLOB_NOT_FOUND',
      `cannot ${verb} upload "${id.slice(0, 100)}": repository ${repository} has no such upload session`,
    )
  }

  #takeHash(repository: RepositoryName, id: UploadId, algorithm: DigestAlgorithm): RunningHash {
    const kept = this.#idleHashes.get(id)
    this.#idleHashes.delete(id)
    if (kept?.algorithm === algorithm) return kept
    kept?.hash.abandon()
    return {algorithm, hash: this.#thread.follow(this.#data(repository, id), algorithm)}
  }

  #keepHash(id: UploadId, running: RunningHash): void {
    this.#idleHashes.set(id, running)
    const [oldest] = this.#idleHashes
    if (oldest === undefined || this.#idleHashes.size <= MAX_IDLE_HASHES) return
    this.#idleHashes.delete(oldest[0])
    oldest[1].hash.abandon()
  }

  async #drop(repository: RepositoryName, id: UploadId): Promise<void> {
    this.#takeHash(repository, id, USUAL_ALGORITHM).hash.abandon()
    await this.#remove(repository, id)
  }

  async #remove(repository: RepositoryName, id: UploadId): Promise<void> {
    await rm(this.#layout.upload(repository, id), {recursive: true, force: true})
  }

  #data(repository: RepositoryName, id: UploadId): string {
    return join(this.#layout.upload(repository, id), 'data')
  }
}

/** Seconds are what Distribution parses. */
function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}

async function lastWritten(directory: string): Promise<number> {
  for (const path of [join(directory, 'data'), directory]) {
    try {
      return (await stat(path)).mtimeMs
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
    }
  }
  return Number.POSITIVE_INFINITY
}
