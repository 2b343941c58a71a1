/** Which images may be evicted, and in which order; without I/O. */

import type {KeptImage} from '../kept-images.ts'
import {matchesImage} from '../revalidation.ts'
import {USE_RESOLUTION_MS} from './record-use.ts'
import type {UsageTimes} from './usage-clock.ts'

/** What was served this recently is never evicted. */
export const PROTECTED_MS = 24 * 3_600_000
/** Eviction for size ends here, so that new images find room. */
const TARGET_PART = 0.9

export interface EvictionPolicy {
  /** What all images of the mirror may take. */
  readonly maxSizeBytes?: number | undefined
  /** Images that no client was served for longer are evicted. At least `PROTECTED_MS`. */
  readonly maxUnusedMs?: number | undefined
  /** Patterns of images that are never evicted: `library/*`, `ghcr.io/acme/**:v*`. */
  readonly keep: readonly string[]
}

export interface EvictionCandidate {
  readonly upstream: string
  readonly image: KeptImage
  /** In ms since the epoch. */
  readonly lastUsedMs: number
}

/** The images that may go, least recently used first, and whether for that alone. */
export function evictionOrder<Candidate extends EvictionCandidate>(
  candidates: readonly Candidate[],
  {maxUnusedMs = Number.POSITIVE_INFINITY, keep}: EvictionPolicy,
  {sinceMs, resumedMs}: UsageTimes,
  nowMs: number,
): readonly {readonly candidate: Candidate; readonly isUnused: boolean}[] {
  return candidates
    .map((candidate) => ({candidate, usedMs: Math.max(Math.min(candidate.lastUsedMs, nowMs), sinceMs)}))
    .filter(({candidate, usedMs}) => nowMs - Math.max(usedMs, resumedMs) > PROTECTED_MS + USE_RESOLUTION_MS && !isKept(candidate, keep))
    .sort((one, other) => one.usedMs - other.usedMs)
    .map(({candidate, usedMs}) => ({candidate, isUnused: nowMs - usedMs > maxUnusedMs}))
}

/** Down to how many bytes images are evicted for size; infinite when none must. */
export function evictionTarget({maxSizeBytes}: EvictionPolicy, usedBytes: number, missingBytes: number): number {
  if (maxSizeBytes === undefined) return Number.POSITIVE_INFINITY
  const wanted = missingBytes > 0 ? usedBytes - missingBytes : Number.POSITIVE_INFINITY
  return Math.max(0, Math.min(maxSizeBytes * TARGET_PART, wanted))
}

function isKept({upstream, image}: EvictionCandidate, keep: readonly string[]): boolean {
  const {repository, digest, tags} = image
  return keep.some((pattern) => [...tags, digest].some((reference) => matchesImage(pattern, upstream, repository, reference)))
}
