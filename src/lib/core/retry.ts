/** How long to wait before trying again: exponential back-off with jitter, and `Retry-After` (RFC 9110 §10.2.3) as a minimum. */
import {interrupted} from './errors.ts'

/** Time as far as waiting is concerned; tests give their own. */
export interface Clock {
  now(): number
  /** A number from 0 up to 1. */
  random(): number
  /** @throws {HoldfastError} INTERRUPTED when the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The clock on the wall. */
export const SYSTEM_CLOCK: Clock = {now: Date.now, random: Math.random, sleep}

export interface BackOff {
  /** The longest first wait. */
  readonly baseMs: number
  /** The longest wait at all. */
  readonly maxMs: number
}

const DEFAULT_BACK_OFF: BackOff = {baseMs: 250, maxMs: 15_000}

/** How long to wait before attempt `attempt` (from 1): between half and the whole of a bound that doubles each time. */
export function backOffMs(attempt: number, clock: Pick<Clock, 'random'>, {baseMs, maxMs}: BackOff = DEFAULT_BACK_OFF): number {
  const bound = Math.min(maxMs, baseMs * 2 ** Math.min(30, attempt - 1))
  return Math.round(bound / 2 + (bound / 2) * clock.random())
}

const RETRY_AFTER_SECONDS = /^[0-9]{1,9}$/
/** The three forms of an HTTP date begin with a day's name; `Date.parse` alone would take far too much for a date. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /

/** No server is believed that it wants a longer pause: one wrong header would stop a mirror for years. */
export const MAX_RETRY_AFTER_MS = 60 * 60_000

/**
 * Reads `Retry-After`: whole seconds or an HTTP date, in milliseconds from `nowMs`, never negative and at most `maxMs`: an hour, unless it is only told. Undefined for
 * everything else (GHCR sends `880µs`).
 */
export function parseRetryAfter(value: string | undefined, nowMs: number, maxMs = MAX_RETRY_AFTER_MS): number | undefined {
  const text = value?.trim() ?? ''
  if (RETRY_AFTER_SECONDS.test(text)) return Math.min(maxMs, Number(text) * 1000)
  if (!HTTP_DATE.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.min(maxMs, Math.max(0, at - nowMs))
}

/** The longest delay a timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(interrupted())
    const stop = () => {
      clearTimeout(timer)
      reject(interrupted())
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      },
      Math.min(ms, MAX_TIMER_MS),
    )
    signal?.addEventListener('abort', stop, {once: true})
  })
}
