/** Removes abandoned uploads while a server runs: at its start, then again and again, and at once when the disk is full. */

import {isDiskFull} from '../content/disk/storage-error.ts'
import type {PurgeOptions} from '../content/filesystem/store.ts'
import type {ServerListener} from './server-events.ts'

/** How often the whole store is walked. */
const PURGE_INTERVAL_MS = 60 * 60 * 1000
/** A full disk refuses many uploads at once: the store is walked for one of them in this time. */
const PRESSED_INTERVAL_MS = 60 * 1000

/** Removes what no client will finish. */
type Purge = (options: PurgeOptions) => Promise<unknown>

export interface UploadPurge {
  /** To be called with every failure: when one says that the disk is full, abandoned uploads are removed at once. */
  noteFailure(error: unknown): void
  /** Ends a purge that runs; settles when nothing touches the store any more. */
  stop(): Promise<void>
}

export interface UploadPurgeOptions {
  readonly purge: Purge
  readonly listener: ServerListener | undefined
  readonly intervalMs?: number
  /** A clock in ms. */
  readonly now?: () => number
}

/** Starts with a purge, for which nothing waits. */
export function startUploadPurge({purge, listener, intervalMs = PURGE_INTERVAL_MS, now = Date.now}: UploadPurgeOptions): UploadPurge {
  const stop = new AbortController()
  const {signal} = stop
  let last = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let pressedAt = Number.NEGATIVE_INFINITY
  /** One after the other: two walks would look at the same directories. */
  const run = (isPressed: boolean): void => {
    last = last.then(async () => {
      if (signal.aborted) return
      try {
        await purge({isPressed, signal})
      } catch (error) {
        if (!signal.aborted) listener?.({type: 'failure', requestId: 'purge-stale-uploads', error})
      }
      clearTimeout(timer)
      if (!signal.aborted) timer = setTimeout(() => run(false), intervalMs).unref()
    })
  }
  run(false)
  return {
    noteFailure(error) {
      if (signal.aborted || !isDiskFull(error) || now() - pressedAt < PRESSED_INTERVAL_MS) return
      pressedAt = now()
      run(true)
    },
    async stop() {
      stop.abort()
      clearTimeout(timer)
      await last
    },
  }
}
