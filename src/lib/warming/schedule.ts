/** Warming again and again, while something else is served. */
import {awaitedLater} from '../core/awaited-later.ts'
import {HoldfastError} from '../core/errors.ts'
import {type Clock, SYSTEM_CLOCK} from '../core/retry.ts'
import {settlesWithin} from '../core/settle-within.ts'
import type {WarmedImage} from './warm.ts'

/** An interval is this much longer or shorter by chance, as a share of it: replicas must not march in step. */
const JITTER = 0.1
/** How long what is under way may take to end. */
const STOP_MS = 3_000

export type WarmTurn =
  | {readonly kind: 'warmed'; readonly images: readonly WarmedImage[]}
  /** Another replica does it. */
  | {readonly kind: 'elsewhere'}
  | {readonly kind: 'failed'; readonly error: HoldfastError}

export interface WarmScheduleOptions {
  readonly everyMs: number
  readonly warm: (signal: AbortSignal) => Promise<readonly WarmedImage[]>
  /** Sees to it that one of several replicas does it in each interval; answers undefined when another has it, else what lets others try after a failure. */
  readonly tryLock?: (() => Promise<(() => Promise<void>) | undefined>) | undefined
  readonly report: (turn: WarmTurn) => void
  readonly clock?: Clock
}

/** Begins at once. @returns what stops it, and settles when nothing is under way any more, or does not end in `STOP_MS`. */
export function startWarmSchedule({everyMs, warm, tryLock, report, clock = SYSTEM_CLOCK}: WarmScheduleOptions): {stop(): Promise<void>} {
  const end = new AbortController()
  const {signal} = end
  const turn = async (): Promise<void> => {
    const release = tryLock === undefined ? async () => {} : await tryLock()
    if (release === undefined) return report({kind: 'elsewhere'})
    try {
      report({kind: 'warmed', images: await warm(signal)})
    } catch (error) {
      await release()
      throw error
    }
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await turn()
        await clock.sleep(everyMs * (1 + JITTER * (2 * clock.random() - 1)), signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof HoldfastError)) throw error
        report({kind: 'failed', error})
        await clock.sleep(everyMs, signal).catch(() => {})
      }
    }
  }
  const ended = awaitedLater(run())
  return {
    async stop() {
      end.abort()
      if (await settlesWithin(ended, STOP_MS)) await ended
    },
  }
}
