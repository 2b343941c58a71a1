/** When which registry is swept. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {type BackOff, backOffMs, type Clock, SYSTEM_CLOCK} from '../core/retry.ts'
import type {SweepResult} from './sweep.ts'

const DEFAULT_INTERVAL_MS = 120_000
/** After failures in a row a registry is left alone for up to this long. */
const MAX_BACK_OFF_MS = 60 * 60_000
/** An interval is this much longer or shorter by chance, as a share of it: registries and replicas must not march in step. */
const JITTER = 0.1
/** First sweeps are spread over this time after the start. */
const FIRST_SWEEP_SPREAD_MS = 5_000

/** Gives a lock back; of a lock that was lost meanwhile as well. */
type ReleaseLock = () => Promise<void>

/** Sees to it that one replica of the collector sweeps a registry. A lock of a process that has died must become free. */
export interface SweepLock {
  /** Takes the lock of a registry, or answers undefined when another has it; does not wait. */
  tryLock(registry: string): Promise<ReleaseLock | undefined>
}

/** How a turn went, for logs and metrics. */
type SweepOutcome =
  | {readonly kind: 'swept'; readonly result: SweepResult}
  /** Another process sweeps this registry. */
  | {readonly kind: 'elsewhere'}
  /** Something other than the registry: the lock could not be asked for, or a bug. */
  | {readonly kind: 'failed'; readonly error: unknown}

export interface SweepReport {
  readonly registry: string
  readonly outcome: SweepOutcome
  readonly durationMs: number
  /** When the next turn is, in milliseconds from now. */
  readonly nextInMs: number
}

export interface SweepScheduleOptions {
  /** Sweeps a registry; should end soon when the signal fires. @throws {HoldfastError} CONFLICT when another process sweeps it. */
  readonly sweep: (registry: string, signal: AbortSignal) => Promise<SweepResult>
  readonly lock: SweepLock
  /** Told after each turn; must not throw. */
  readonly report: (report: SweepReport) => void
  /** From the start of one sweep to the start of the next, in milliseconds; 120 s when absent. */
  readonly intervalMs?: number
  readonly clock?: Clock
}

export interface SweepSchedule {
  /** Sweeps a registry from now on: soon, and then again and again. Nothing happens for one that is swept already. */
  add(registry: string): void
  /** Stops sweeping a registry; settles when a sweep under way has ended. */
  remove(registry: string): Promise<void>
  /** Stops everything; settles when all sweeps under way have ended and their locks are free. Nothing can be added afterwards. */
  stop(): Promise<void>
}

/**
 * Sweeps each registry every `intervalMs`, give or take a tenth. A turn that comes while the last sweep is still running is left out; after a sweep that did not complete the next
 * one waits for twice the interval, and up to an hour after more of them.
 *
 * The lock of a registry is kept from one turn to the next, and asked for anew at each: a replica that has it goes on having it, whoever else is there finds it taken, and one that
 * lost it, or stopped, is replaced within an interval. It is also kept while a failing registry is left alone.
 */
export function createSweepSchedule(options: SweepScheduleOptions): SweepSchedule {
  const watches = new Map<string, {readonly end: AbortController; readonly ended: Promise<void>}>()
  let isStopped = false

  async function remove(registry: string): Promise<void> {
    const watch = watches.get(registry)
    if (watch === undefined) return
    watch.end.abort()
    await watch.ended
    if (watches.get(registry) === watch) watches.delete(registry)
  }

  return {
    add(registry) {
      if (isStopped) throw new HoldfastError('INTERNAL', `cannot sweep "${registry}": the schedule was stopped`)
      const present = watches.get(registry)
      if (present !== undefined && !present.end.signal.aborted) return
      const end = new AbortController()
      // One that was removed a moment ago may still be ending.
      const ended = (present?.ended ?? Promise.resolve()).then(() => new Watch(registry, options).run(end.signal))
      watches.set(registry, {end, ended})
    },
    remove,
    async stop() {
      isStopped = true
      await Promise.all([...watches.keys()].map(remove))
    },
  }
}

/** One registry's turns. */
class Watch {
  readonly #registry: string
  readonly #options: SweepScheduleOptions
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #backOff: BackOff
  #release: ReleaseLock | undefined
  #failures = 0

  constructor(registry: string, options: SweepScheduleOptions) {
    this.#registry = registry
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS
    this.#backOff = {baseMs: 2 * this.#intervalMs, maxMs: Math.max(MAX_BACK_OFF_MS, this.#intervalMs)}
  }

  async run(signal: AbortSignal): Promise<void> {
    let waitMs = this.#clock.random() * FIRST_SWEEP_SPREAD_MS
    while (await this.#isTurn(waitMs, signal)) {
      const startedAtMs = this.#clock.now()
      const outcome = await this.#turn(signal)
      const durationMs = this.#clock.now() - startedAtMs
      this.#failures = hasFailed(outcome) ? this.#failures + 1 : 0
      waitMs = this.#failures > 0 ? backOffMs(this.#failures, this.#clock, this.#backOff) : this.#untilNextTurn(durationMs)
      this.#options.report({registry: this.#registry, outcome, durationMs, nextInMs: waitMs})
    }
    try {
      await this.#giveBack()
    } catch (error) {
      this.#options.report({registry: this.#registry, outcome: {kind: 'failed', error}, durationMs: 0, nextInMs: Number.POSITIVE_INFINITY})
    }
  }

  /** Waits; false when there are no more turns. */
  async #isTurn(waitMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#clock.sleep(waitMs, signal)
      return !signal.aborted
    } catch (error) {
      if (hasCode(error, 'INTERRUPTED')) return false
      throw error
    }
  }

  async #turn(signal: AbortSignal): Promise<SweepOutcome> {
    try {
      await this.#giveBack()
      this.#release = await this.#options.lock.tryLock(this.#registry)
      if (this.#release === undefined) return {kind: 'elsewhere'}
      return {kind: 'swept', result: await this.#options.sweep(this.#registry, signal)}
    } catch (error) {
      // A sweep that was asked for is under way.
      return hasCode(error, 'CONFLICT') ? {kind: 'elsewhere'} : {kind: 'failed', error}
    }
  }

  async #giveBack(): Promise<void> {
    const release = this.#release
    this.#release = undefined
    await release?.()
  }

  /** Turns come at multiples of the interval; those that have passed meanwhile are left out. */
  #untilNextTurn(durationMs: number): number {
    const jitteredMs = this.#intervalMs * (1 + JITTER * (2 * this.#clock.random() - 1))
    return jitteredMs - (durationMs % jitteredMs)
  }
}

function hasFailed(outcome: SweepOutcome): boolean {
  return outcome.kind === 'failed' || (outcome.kind === 'swept' && !outcome.result.complete)
}
