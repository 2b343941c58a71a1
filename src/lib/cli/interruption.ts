/** Signals as an `AbortSignal`. */
import {EXIT, interrupted} from '../core/errors.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

export interface Interruption {
  readonly signal: AbortSignal
  /** Leaves signals to Node again. */
  release(): void
}

/** The first SIGINT or SIGTERM asks everything to stop, with INTERRUPTED as the reason; a second one ends the process at once. */
export function listenForSignals(): Interruption {
  const controller = new AbortController()
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(interrupted())
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
