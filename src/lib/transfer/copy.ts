/**
 * Copying images between stores. One `CopyRun` serves all images of a call, so that lanes and the knowledge of what the target holds are shared.
 *
 * Order: blobs, then manifests with children before parents, then what refers to the image, and the tag last; a run that dies leaves nothing that looks finished.
 * Nothing is read from the source that the target has: tags are compared by HEAD, a manifest is looked up by digest, a blob found or mounted before it is pulled.
 */
import type {SourceStore, TargetStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import type {Digest} from '../oci/digest.ts'
import type {Platform} from '../oci/platform.ts'
import {formatReference, type Reference, type RepositoryName} from '../oci/reference.ts'
import type {TransferListener} from './events.ts'
import {sideError} from './graph.ts'
import {ImageCopy} from './image-copy.ts'
import {SMALL_REQUEST_CONCURRENCY} from './limits.ts'
import {Lane} from './schedule.ts'
import {TargetSession} from './target-session.ts'

/** One image to copy. */
export interface CopyJob {
  readonly source: {readonly store: SourceStore; readonly reference: Reference}
  readonly target: {
    readonly store: TargetStore
    /** Names the place: with a tag, the tag is written last; with a digest only, the manifest is. */
    readonly reference: Reference
    /** The repository did not exist before this run, so that asking what it holds is wasted. */
    readonly isFresh?: boolean
  }
  /** All when absent or empty. One: that platform's own manifest is copied. Several: an index of just these is written. */
  readonly platforms?: readonly Platform[]
}

/** What became of one image. */
export interface CopyReport {
  readonly source: Reference
  readonly target: Reference
  /** What the source's reference names. */
  readonly sourceDigest: Digest
  /** What the target now holds; differs from `sourceDigest` only for a choice of platforms. */
  readonly digest: Digest
  readonly mediaType: string
  /** The target had it under that tag already: nothing was asked beyond one HEAD at each end. */
  readonly unchanged: boolean
  /** `os/arch[/variant]` of what was copied, where an index or the choice says it. */
  readonly platforms: readonly string[]
  /** Unique bytes of the manifests, configs and layers that were looked at, as their descriptors say. */
  readonly sizeBytes: number
  readonly uploadedBytes: number
  readonly uploadedBlobs: number
  readonly mountedBlobs: number
  readonly presentBlobs: number
  /** Signatures, SBOMs and other manifests that were copied along. */
  readonly referrers: number
  /** The blobs that the target repository is now known to hold. */
  readonly blobs: readonly Digest[]
}

/** Settings of a run. */
export interface CopyRunOptions {
  readonly listener?: TransferListener | undefined
  readonly signal?: AbortSignal | undefined
  /** Copy what refers to the image as well; on unless false. */
  readonly referrers?: boolean | undefined
  /** Hash every byte ourselves and look at everything again, even where a tag or a proof says that it is needless. */
  readonly verify?: boolean | undefined
  /** Blobs on their way at once. */
  readonly blobConcurrency?: number | undefined
  /** Where a target is remembered to hold a blob: tried as the origin of a mount. */
  readonly findBlobLocation?: ((digest: Digest) => Promise<RepositoryName | undefined>) | undefined
}

/** Copies images; use one for all images that are copied together. */
export class CopyRun {
  readonly #options: CopyRunOptions
  readonly #sourceLane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  readonly #sessions = new Map<TargetStore, TargetSession>()
  readonly #announced = new Set<Digest>()

  constructor(options: CopyRunOptions = {}) {
    this.#options = options
  }

  /**
   * Copies one image.
   * @throws {TransferError} with the side that failed; PLATFORM_NOT_FOUND, GRAPH_TOO_DEEP, INTERRUPTED. The tag is then not written.
   */
  async copy(job: CopyJob): Promise<CopyReport> {
    const {listener} = this.#options
    const names = {source: formatReference(job.source.reference), target: formatReference(job.target.reference)}
    listener?.({type: 'image-started', ...names})
    try {
      const report = await new ImageCopy(job, this.#sessionOf(job.target.store), this.#sourceLane, this.#announced, this.#options).run()
      listener?.({type: 'image-finished', ...names, unchanged: report.unchanged})
      return report
    } catch (error) {
      const failure = sideError('target', names.target, error)
      listener?.({
        type: 'image-failed',
        ...names,
        error: failure instanceof Error ? failure : new HoldfastError('INTERNAL', String(failure)),
      })
      throw failure
    }
  }

  #sessionOf(store: TargetStore): TargetSession {
    const known = this.#sessions.get(store)
    if (known !== undefined) return known
    const {blobConcurrency, verify, findBlobLocation} = this.#options
    const created = new TargetSession(store, {blobConcurrency, verify, findBlobLocation})
    this.#sessions.set(store, created)
    return created
  }
}
