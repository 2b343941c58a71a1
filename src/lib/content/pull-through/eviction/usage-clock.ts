/**
 * Whether the times of last uses mean anything. A clock that was set, and weeks in which the mirror did not run, look like images that no client uses: eviction must not believe them.
 */

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The mirror did not run for so long, or the clock was set forward: nothing counts as used earlier than now. */
const MAX_GAP_MS = 7 * DAY_MS
/** It did not run for so long: nothing is evicted in its first day. */
const RESUMED_GAP_MS = DAY_MS
/** Wall clock and monotonic clock may drift apart by so much. */
const MAX_STEP_MS = HOUR_MS

/** Times in ms since the epoch. */
export interface UsageTimes {
  /** Uses are known since then: what was used last before counts as used then. */
  readonly sinceMs: number
  /** The mirror runs again since then. */
  readonly resumedMs: number
  /** When this was last looked at. */
  readonly seenMs: number
}

/** Now, and the same moment of a clock that is never set; each in ms. */
export interface Instant {
  readonly wallMs: number
  readonly monotonicMs: number
}

/**
 * Carries the times on to now.
 * @param last the moment of the last look, when this process had one.
 * @returns undefined while the clock shows a time before the last look: nothing may be evicted.
 */
export function advanceUsage(times: UsageTimes | undefined, now: Instant, last?: Instant): UsageTimes | undefined {
  const {wallMs} = now
  const restarted = {sinceMs: wallMs, resumedMs: wallMs, seenMs: wallMs}
  if (times === undefined) return restarted
  const gapMs = wallMs - times.seenMs
  if (gapMs < -MAX_STEP_MS) return undefined
  const stepMs = last === undefined ? 0 : wallMs - last.wallMs - (now.monotonicMs - last.monotonicMs)
  if (Math.abs(stepMs) > MAX_STEP_MS || gapMs > MAX_GAP_MS) return restarted
  return {...times, resumedMs: gapMs > RESUMED_GAP_MS ? wallMs : times.resumedMs, seenMs: Math.max(wallMs, times.seenMs)}
}
