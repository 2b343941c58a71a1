/** Looks now and then whether images that were cached before are still whole, and heals those that are not. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import {formatPinned} from '../oci/reference.ts'
import type {CachedImageRecord, CachedImageStore} from '../records/store.ts'
import type {CopyRun} from '../transfer/copy.ts'
import type {CopyReport} from '../transfer/copy-job.ts'
import {CHECK_CONCURRENCY, type CheckedStore, findMissing} from './find-missing.ts'
import {type HealDependencies, healImage} from './heal.ts'

/** How old a check may be, unless said: 24 h. */
export const DEFAULT_RECHECK_MS = 86_400_000

/** What a check tells; the caller prints it. */
export type CheckEvent =
  | {readonly type: 'damaged'; readonly reference: string; readonly missing: readonly Digest[]}
  | {readonly type: 'healed'; readonly reference: string; readonly missing: readonly Digest[]}
  | {readonly type: 'not-checked'; readonly reference: string; readonly error: HoldfastError}

export interface RecheckDependencies extends HealDependencies {
  readonly records: Pick<CachedImageStore, 'searchCachedImages' | 'recordImageCheck'>
  /** The target for checks, which is not asked again once it asks to slow down; the target itself when absent. */
  readonly openForChecks?: (() => Promise<CheckedStore>) | undefined
  readonly onCheck?: ((event: CheckEvent) => void) | undefined
  readonly now: () => Date
  readonly signal?: AbortSignal | undefined
}

export interface HealedImage {
  readonly missing: readonly Digest[]
  readonly report: CopyReport
}

/** The checks of one run; a registry that asks to slow down ends all of them. */
export class Rechecks {
  readonly #everyMs: number
  readonly #dependencies: RecheckDependencies
  readonly #run: CopyRun
  readonly #lane = new Lane(() => CHECK_CONCURRENCY)
  #store: Promise<CheckedStore> | undefined
  #isStopped = false

  /** @param everyMs 0: now. */
  constructor(everyMs: number, dependencies: RecheckDependencies, run: CopyRun) {
    this.#everyMs = everyMs
    this.#dependencies = dependencies
    this.#run = run
  }

  /**
   * Checks an image that is due, and heals it; undefined when it is whole, not due, or could not be checked.
   * @throws what `healImage` throws; and, when the check was asked for, what it failed with.
   */
  async look(record: CachedImageRecord): Promise<HealedImage | undefined> {
    const {records, now, onCheck} = this.#dependencies
    if (this.#isStopped || !this.#isDue(record)) return undefined
    const reference = formatPinned(record, record.digest)
    const missing = await this.#findMissing(record, reference)
    if (missing === undefined) return undefined
    if (missing.length > 0) onCheck?.({type: 'damaged', reference, missing})
    const report = missing.length === 0 ? undefined : await this.heal(record)
    if (report !== undefined) onCheck?.({type: 'healed', reference, missing})
    else await records.recordImageCheck(record, now().toISOString())
    return report === undefined ? undefined : {missing, report}
  }

  /** Heals without a look, and remembers that the image is whole. */
  async heal(record: CachedImageRecord): Promise<CopyReport> {
    const report = await healImage(record, this.#dependencies, this.#run)
    await this.#dependencies.records.recordImageCheck(record, this.#dependencies.now().toISOString())
    return report
  }

  async #findMissing(record: CachedImageRecord, reference: string): Promise<readonly Digest[] | undefined> {
    const {target, openForChecks, onCheck, signal} = this.#dependencies
    try {
      this.#store ??= openForChecks?.() ?? Promise.resolve(target)
      return await findMissing(record, await this.#store, {lane: this.#lane, signal})
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED' || this.#everyMs === 0) throw error
      this.#isStopped ||= hasCode(error, 'RATE_LIMITED')
      onCheck?.({type: 'not-checked', reference, error})
      return undefined
    }
  }

  #isDue({checkedAt, createdAt}: CachedImageRecord): boolean {
    return this.#dependencies.now().getTime() - Date.parse(checkedAt ?? createdAt) >= this.#everyMs
  }
}
