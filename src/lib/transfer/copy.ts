/**
 * Copying images between stores. One `CopyRun` serves all images of a call, so that lanes and the knowledge of what the target holds are shared.
 *
 * Order: blobs, then manifests with children before parents, then what refers to the image, and the tag last; a run that dies leaves nothing that looks finished.
 * Nothing is read from the source that the target has: tags are compared by HEAD, a manifest is looked up by digest, a blob found or mounted before it is pulled.
 */
import type {TargetStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import {formatReference} from '../oci/reference.ts'
import type {CopyJob, CopyReport, CopyRunOptions} from './copy-job.ts'
import {sideError} from './graph.ts'
import {ImageCopy} from './image-copy.ts'
import {SMALL_REQUEST_CONCURRENCY} from './limits.ts'
import {TargetSession} from './target-session.ts'

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
    const {blobConcurrency, verify, findBlobLocation, onBlobStored} = this.#options
    const created = new TargetSession(store, {blobConcurrency, verify, findBlobLocation, onBlobStored})
    this.#sessions.set(store, created)
    return created
  }
}
