/** Looks whether cached images are still whole, now and then by HEADs or at once by their bytes, and heals those that are not. */
import type {BlobReader} from '../content/store.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import {formatPinned} from '../oci/reference.ts'
import type {CachedImageRecord, CachedImageStore} from '../records/store.ts'
import type {CopyRun} from '../transfer/copy.ts'
import type {CopyReport} from '../transfer/copy-job.ts'
import {CHECK_CONCURRENCY, type CheckedStore, type Damage, findDamage} from './find-damage.ts'
import {type HealDependencies, healImage, stillAltered} from './heal.ts'

/** How old a check may be, unless said: 24 h. */
export const DEFAULT_RECHECK_MS = 86_400_000

/** What a check tells; the caller prints it. */
export type CheckEvent =
  | ({readonly type: 'damaged'; readonly reference: string} & Damage)
  | {readonly type: 'healed'; readonly reference: string}
  | {readonly type: 'not-healed'; readonly reference: string; readonly error: HoldfastError}
  | {readonly type: 'not-checked'; readonly reference: string; readonly error: HoldfastError}

export interface RecheckDependencies extends HealDependencies {
  readonly target: HealDependencies['target'] & BlobReader
  readonly records: Pick<CachedImageStore, 'searchCachedImages' | 'recordImageCheck' | 'recordImageDamage'>
  /** The target for checks, which is not asked again once it asks to slow down; the target itself when absent. */
  readonly openForChecks?: (() => Promise<CheckedStore>) | undefined
  readonly onCheck?: ((event: CheckEvent) => void) | undefined
  readonly now: () => Date
  readonly signal?: AbortSignal | undefined
}

export interface HealedImage {
  /** What it lacked, or had with other bytes. */
  readonly healed: readonly Digest[]
  readonly report: CopyReport
}

/** The checks of one run; a registry that asks to slow down ends all of them. */
export class Rechecks {
  readonly #everyMs: number
  readonly #dependencies: RecheckDependencies
  readonly #run: CopyRun
  readonly #readsBytes: boolean
  readonly #lane = new Lane(() => CHECK_CONCURRENCY)
  #store: Promise<CheckedStore> | undefined
  #isStopped = false

  /** @param when every so many milliseconds, 0 for now; or now, by the bytes of every blob. */
  constructor(when: number | 'bytes', dependencies: RecheckDependencies, run: CopyRun) {
    this.#everyMs = when === 'bytes' ? 0 : when
    this.#readsBytes = when === 'bytes'
    this.#dependencies = dependencies
    this.#run = run
  }

  /**
   * Checks an image that is due or known to be damaged, and heals it; undefined when it is whole, not due, or could not be checked.
   * @throws what `healImage` throws; and, when the check was asked for, what it failed with.
   */
  async look(record: CachedImageRecord, isDue = record.damaged !== undefined || this.#isDue(record)): Promise<HealedImage | undefined> {
    const {records, now, onCheck} = this.#dependencies
    if (this.#isStopped || !isDue) return undefined
    const reference = formatPinned(record, record.digest)
    const damage = await this.#findDamage(record, reference)
    if (damage === undefined) return undefined
    const damaged = [...damage.missing, ...damage.altered]
    if (damaged.length === 0) {
      await records.recordImageCheck(record, now().toISOString())
      return undefined
    }
    onCheck?.({type: 'damaged', reference, ...damage})
    // A check by HEADs may see none of it: until it is healed, each run looks at these again.
    await records.recordImageDamage(record, damaged)
    const report = await this.heal(record, damage.altered)
    onCheck?.({type: 'healed', reference})
    return {healed: damaged, report}
  }

  /**
   * Heals without a look, and remembers that the image is whole.
   * @throws {HoldfastError} INTEGRITY when the target keeps what it has; what `healImage` throws.
   */
  async heal(record: CachedImageRecord, altered: readonly Digest[] = []): Promise<CopyReport> {
    const {target, records, now, signal} = this.#dependencies
    const report = await healImage(record, this.#dependencies, this.#run, altered)
    const left =
      altered.length === 0
        ? []
        : (await findDamage(record, target, {lane: this.#lane, signal, bytes: target, suspects: new Set(altered)})).altered
    if (left.length > 0) throw stillAltered(formatPinned(record, record.digest), record.registry, left)
    await records.recordImageCheck(record, now().toISOString())
    return report
  }

  /** Checks and heals what was cached before something newer is: what was deployed by that name can be pulled again. A failure is told, and not thrown. */
  async lookBack(record: CachedImageRecord, isDue?: true): Promise<void> {
    try {
      await this.look(record, isDue)
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
      this.#dependencies.onCheck?.({type: 'not-healed', reference: formatPinned(record, record.digest), error})
    }
  }

  async #findDamage(record: CachedImageRecord, reference: string): Promise<Damage | undefined> {
    const {target, openForChecks, onCheck, signal} = this.#dependencies
    const lane = this.#lane
    try {
      if (this.#readsBytes) return await findDamage(record, target, {lane, signal, bytes: target})
      this.#store ??= openForChecks?.() ?? Promise.resolve(target)
      return await findDamage(record, await this.#store, {lane, signal, bytes: target, suspects: new Set(record.damaged)})
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
