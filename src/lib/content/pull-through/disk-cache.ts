/**
 * What a mirror has, in a folder of this machine. Bytes are served only when they are known to be those of their digest: a file that has changed since it was last verified, or
 * that this process has not verified yet, is hashed before its last byte is sent. What is damaged is taken out of use.
 */
import {LRUCache} from 'lru-cache'
import type {ByteSink} from '../../core/byte-sink.ts'
import {type ErrorDetails, hasCode, IntegrityError} from '../../core/errors.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, parseDigest} from '../../oci/digest.ts'
import {describeManifest} from '../../oci/manifest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {HashThread} from '../disk/trailing-hash.ts'
import type {FilesystemStore} from '../filesystem/store.ts'
import type {StoredFile} from '../filesystem/stored-files.ts'
import type {ReadBlobOptions} from '../store.ts'
import type {Damage, MirrorCache} from './cache.ts'
import {keptOnDisk} from './eviction/kept-store.ts'
import {createJournal} from './journal.ts'
import {type VerifyPace, VerifyWalk} from './verify-walk.ts'

/** A file up to this size is verified before anything is said of it; a larger one while it is sent. */
const VERIFIED_FIRST_BYTES = 16 * 1024 * 1024
const MAX_REMEMBERED = 50_000

export interface DiskCacheOptions {
  readonly disk: FilesystemStore
  /** Those of all upstreams of the mirror. Its clients may pull from each of them, so that a blob is fetched once for all repositories and upstreams. */
  readonly disks?: readonly FilesystemStore[] | undefined
  /** How all that is here is verified in the background; as `VerifyWalk` does it unless said. */
  readonly pace?: VerifyPace | undefined
}

export function createDiskCache({disk, disks = [], pace}: DiskCacheOptions): MirrorCache {
  const integrity = new Integrity(disk)
  const walk = new VerifyWalk({disk, verify: (repository, held, read) => integrity.check(repository, held, read), pace})
  const readManifest: MirrorCache['readManifest'] = async (repository, reference, call) => {
    try {
      return await disk.readManifest(repository, reference, call)
    } catch (error) {
      if (!hasCode(error, 'INTEGRITY')) throw error
      await integrity.reportManifest(repository, error.details)
      return undefined
    }
  }

  return {
    isShared: false,
    journal: createJournal(disk.journalDirectory),
    readManifest,
    statManifest: async (repository, reference, call) => {
      const raw = await readManifest(repository, reference, call)
      return raw === undefined ? undefined : describeManifest(raw)
    },
    keepManifest: (repository, manifest) => disk.writeSparseManifest(repository, manifest.digest, manifest),
    settleManifest: (repository, reference, manifest) => disk.writeSparseManifest(repository, reference, manifest),
    statBlob: async (repository, digest, call) => {
      const size = await disk.statBlob(repository, digest, call)
      return size === undefined || !(await integrity.isUsable(repository, digest)) ? undefined : size
    },
    readBlob: (repository, blob, sink, call) => integrity.read(repository, blob, sink, call),
    fillBlob: async (repository, blob, source, file, signal) => {
      if ((await disk.adoptBlob(repository, blob, disks)) && (await integrity.isIntact(repository, blob.digest))) return
      await disk.writeBlob(repository, blob, source, {growth: file, signal})
      if (file.verifiedAtMs !== undefined) await integrity.noteVerified(blob.digest, file.verifiedAtMs)
    },
    kept: keptOnDisk(disk),
    health: disk.health,
    hasRoom: (sizeBytes) => disk.hasRoom(sizeBytes),
    watchDamage: (listener) => {
      integrity.onDamage = listener
      walk.start()
    },
    listTags: disk.listTags,
    listReferrers: disk.listReferrers,
    listRepositories: disk.listRepositories,
    purgeStaleUploads: disk.purgeStaleUploads,
    close: async () => {
      await walk.stop()
      await integrity.close()
      await disk.close()
    },
  }
}

class Integrity {
  readonly #disk: FilesystemStore
  readonly #thread = new HashThread()
  /** The version of each file when it was verified. */
  readonly #verified = new LRUCache<Digest, string>({max: MAX_REMEMBERED})
  readonly #checks = new Map<Digest, Promise<boolean>>()
  onDamage: (damage: Damage) => void = () => {}

  constructor(disk: FilesystemStore) {
    this.#disk = disk
  }

  async close(): Promise<void> {
    await this.#thread.close()
  }

  /** The bytes were hashed when they were written; what was changed since then was not. */
  async noteVerified(digest: Digest, verifiedAtMs: number): Promise<void> {
    const file = await this.#disk.files.find(digest)
    if (file !== undefined && file.modifiedAtMs <= verifiedAtMs) this.#verified.set(digest, file.version)
  }

  /** Whether a blob can be served; a large one may turn out to be damaged while it is sent. */
  async isUsable(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const file = await this.#disk.files.find(digest)
    // Distribution keeps a blob that was pushed under a sha512 digest elsewhere.
    if (file === undefined || this.#isVerified(digest, file) || file.sizeBytes > VERIFIED_FIRST_BYTES) return true
    return await this.#verify(repository, 'blob', digest, file)
  }

  /** Hashes a blob of any size, unless that was done since its file changed. */
  async isIntact(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const file = await this.#disk.files.find(digest)
    return file === undefined || this.#isVerified(digest, file) || (await this.#verify(repository, 'blob', digest, file))
  }

  async read(repository: RepositoryName, blob: BlobDescriptor, sink: ByteSink, call: ReadBlobOptions = {}): Promise<void> {
    const {digest, size} = blob
    const file = await this.#disk.files.find(digest)
    if (file === undefined || size === 0 || this.#isVerified(digest, file)) return await this.#disk.readBlob(repository, blob, sink, call)
    const isIntact = this.#verify(repository, 'blob', digest, file)
    const start = call.range?.start ?? 0
    const last = Math.min(call.range?.end ?? size - 1, size - 1)
    if (start < last) await this.#disk.readBlob(repository, blob, sink, {...call, range: {start, end: last - 1}})
    if (!(await isIntact)) throw new IntegrityError(`cannot read blob "${digest}": it is damaged on the disk`, {details: {digest}})
    await this.#disk.readBlob(repository, blob, sink, {...call, range: {start: last, end: last}})
  }

  /** Checks a file for the background walk, which has read it slowly before: its bytes are then in memory. */
  async check(
    repository: RepositoryName,
    {kind, digest}: {readonly kind: Damage['kind']; readonly digest: Digest},
    read: () => Promise<Digest>,
  ): Promise<void> {
    const file = await this.#disk.files.find(digest)
    if (file === undefined || this.#checks.has(digest)) return
    const actual = await read()
    if (actual === digest) this.#verified.set(digest, file.version)
    else await this.#report(repository, kind, digest, {actual, version: file.version})
  }

  /** A manifest is hashed each time that it is read; the details say what was found. */
  async reportManifest(repository: RepositoryName, {expected, actual}: ErrorDetails): Promise<void> {
    await this.#report(repository, 'manifest', parseDigest(String(expected)), {actual: String(actual)})
  }

  #isVerified(digest: Digest, file: StoredFile): boolean {
    return this.#verified.get(digest) === file.version
  }

  /** Whether a file has its digest; what has another one is taken out of use. Clients that ask at once have it hashed once. */
  #verify(repository: RepositoryName, kind: Damage['kind'], digest: Digest, file: StoredFile): Promise<boolean> {
    const running = this.#checks.get(digest)
    if (running !== undefined) return running
    const check = this.#hash(digest, file)
      .then(async (actual) => {
        if (actual === digest) this.#verified.set(digest, file.version)
        else await this.#report(repository, kind, digest, {actual, version: file.version})
        return actual === digest
      })
      .finally(() => this.#checks.delete(digest))
    this.#checks.set(digest, check)
    check.catch(() => {})
    return check
  }

  async #hash(digest: Digest, {path, sizeBytes}: StoredFile): Promise<Digest> {
    return await this.#thread.follow(path, digestAlgorithm(digest)).finish(sizeBytes)
  }

  /** @param version of the file that was hashed: another one has come since, and may be whole. */
  async #report(
    repository: RepositoryName,
    kind: Damage['kind'],
    digest: Digest,
    {actual, version}: {readonly actual: string; readonly version?: string},
  ): Promise<void> {
    const file = await this.#disk.files.find(digest)
    if (version !== undefined && file?.version !== version) return
    const place = await this.#disk.files.quarantine(digest)
    this.#verified.delete(digest)
    if (place === undefined) return
    const error = new IntegrityError(
      `cannot serve ${kind} "${digest}" of ${repository} from the disk: the file has digest ${actual}; it is moved to "${place}" and fetched again`,
      {hints: ['dmesg  # shows whether the disk fails'], details: {expected: digest, actual, repository, place}},
    )
    this.onDamage({kind, repository, digest, error})
  }
}
