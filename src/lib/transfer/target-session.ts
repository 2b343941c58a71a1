/**
 * What a run knows of one target store: which repository holds which blob, so that a blob is put into each repository once, moved to the target once, and mounted
 * everywhere else; and which manifests are written.
 */
import type {BlobOutcome, BlobSource, CallOptions, TargetStore} from '../content/store.ts'
import type {ByteSink} from '../core/byte-sink.ts'
import {Lane} from '../core/lane.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import type {RawManifest} from '../oci/manifest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import {DEFAULT_BLOB_CONCURRENCY, SMALL_REQUEST_CONCURRENCY} from './limits.ts'

export interface TargetSessionOptions {
  /** Blobs on their way at once; the store's own limit holds as well. */
  readonly blobConcurrency?: number | undefined
  /** Hash every byte ourselves. */
  readonly verify?: boolean | undefined
  /** Where the target is remembered to hold a blob. */
  readonly findBlobLocation?: ((digest: Digest) => Promise<RepositoryName | undefined>) | undefined
  /** Told of each blob as soon as the target has confirmed it. */
  readonly onBlobStored?: ((repository: RepositoryName, digest: Digest) => void) | undefined
}

/** How one image wants its blobs put. */
export interface PutOptions extends CallOptions {
  /** The repository is new, so that no blob is looked for in it. */
  readonly isFresh?: boolean | undefined
  /** What the repository has under the digest is not the blob. */
  readonly isDamaged?: boolean | undefined
}

export class TargetSession {
  readonly store: TargetStore
  readonly #options: TargetSessionOptions
  /** Existence checks, mounts, session starts and manifests: a lane of their own, so that no body delays them. */
  readonly #small = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  readonly #bodies: Lane
  readonly #holders = new Map<Digest, Promise<RepositoryName>>()
  readonly #blobs = new Map<string, Promise<BlobOutcome>>()
  readonly #manifests = new Map<string, Promise<void>>()

  constructor(store: TargetStore, options: TargetSessionOptions = {}) {
    this.store = store
    this.#options = options
    this.#bodies = new Lane(() => Math.min(options.blobConcurrency ?? DEFAULT_BLOB_CONCURRENCY, store.blobConcurrency))
  }

  /**
   * Makes sure that the repository holds the blob. Answers undefined when another image of the run has already seen to it.
   * `source` is asked for bytes only when nothing else helps, and then waits for its place: the biggest blob goes first.
   */
  async ensureBlob(repository: RepositoryName, blob: Descriptor, source: BlobSource, call: PutOptions): Promise<BlobOutcome | undefined> {
    const key = `${repository}@${blob.digest}`
    const running = this.#blobs.get(key)
    if (running !== undefined) {
      const shared = await running.catch(() => undefined)
      if (shared !== undefined) return undefined
    }
    const holder = this.#holders.get(blob.digest)
    const outcome = this.#putBlob(repository, blob, source, holder, call)
    remember(this.#blobs, key, outcome)
    if (holder === undefined) {
      remember(
        this.#holders,
        blob.digest,
        outcome.then(() => repository),
      )
    }
    return outcome
  }

  /** Makes the session doubt what it knows of these blobs: a target refused a manifest for want of one of them. */
  forgetBlobs(repository: RepositoryName, blobs: readonly Pick<Descriptor, 'digest'>[]): void {
    for (const blob of blobs) {
      this.#blobs.delete(`${repository}@${blob.digest}`)
      this.#holders.delete(blob.digest)
    }
  }

  /** Makes the session write these manifests and blobs again. */
  forget(repository: RepositoryName, digests: Iterable<Digest>): void {
    for (const digest of digests) {
      this.forgetBlobs(repository, [{digest}])
      this.#manifests.delete(`${repository}@${digest}`)
    }
  }

  /** Writes a manifest by tag, or by digest once in a run. */
  writeManifest(repository: RepositoryName, at: Tag | Digest, raw: RawManifest, call: CallOptions): Promise<void> {
    const write = () => this.#small.run(() => this.store.writeManifest(repository, at, raw, call))
    if (at !== raw.digest) return write()
    const key = `${repository}@${at}`
    const running = this.#manifests.get(key)
    if (running !== undefined) return running.catch(write)
    const written = write()
    remember(this.#manifests, key, written)
    return written
  }

  async #putBlob(
    repository: RepositoryName,
    blob: Descriptor,
    source: BlobSource,
    holder: Promise<RepositoryName> | undefined,
    {isFresh, isDamaged, ...call}: PutOptions,
  ): Promise<BlobOutcome> {
    const known = await holder?.catch(() => undefined)
    const mountFrom = known ?? (await this.#options.findBlobLocation?.(blob.digest))
    const inTurn = async (sink: ByteSink, start: number, signal?: AbortSignal): Promise<void> => {
      releaseSmall()
      const release = await this.#bodies.enter(blob.size)
      try {
        await source(sink, start, signal)
      } finally {
        release()
      }
    }
    const releaseSmall = await this.#small.enter(blob.size)
    try {
      const outcome = await this.store.writeBlob(repository, blob, inTurn, {
        ...call,
        ...(mountFrom === undefined || mountFrom === repository ? {} : {mountFrom}),
        ...(isFresh === true ? {isAbsent: true} : {}),
        ...(isDamaged === true ? {isDamaged} : {}),
        ...(this.#options.verify === true ? {verify: true} : {}),
      })
      this.#options.onBlobStored?.(repository, blob.digest)
      return outcome
    } finally {
      releaseSmall()
    }
  }
}

/** Keeps a promise under a key for as long as it has not failed. */
function remember<K, T>(map: Map<K, Promise<T>>, key: K, promise: Promise<T>): void {
  map.set(key, promise)
  promise.catch(() => {
    if (map.get(key) === promise) map.delete(key)
  })
}
