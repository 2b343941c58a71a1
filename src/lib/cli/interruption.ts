/** Signals as an `AbortSignal`. */
import {EXIT, interrupted} from '../core/errors.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** How long a command may take to end after a signal, unless said: it takes back what it had begun. */
const STOP_MS = 15_000

export interface Interruption {
  readonly signal: AbortSignal
  /** Rejects with the signal's reason when what was to stop has not done so in its time; never settles otherwise. */
  readonly overdue: Promise<never>
  /** Leaves signals to Node again. */
  release(): void
}

/** The first SIGINT or SIGTERM asks everything to stop, with INTERRUPTED as the reason; a second one ends the process at once. */
export function listenForSignals({stopMs = STOP_MS}: {readonly stopMs?: number} = {}): Interruption {
  const controller = new AbortController()
  const {promise: overdue, reject} = Promise.withResolvers<never>()
  overdue.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    const reason = interrupted()
    timer = setTimeout(() => reject(reason), stopMs)
    controller.abort(reason)
    // Nothing more is read, and what waits for it ends.
    process.stdin.destroy()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    overdue,
    release: () => {
      clearTimeout(timer)
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
