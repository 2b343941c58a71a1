/**
 * Evicts whole images from a mirror's disk, least recently used first, and never one that could not be fetched again: each is looked for upstream before it goes.
 */
import {HoldfastError, hasCode, interrupted} from '../../../core/errors.ts'
import type {RepositoryName} from '../../../oci/reference.ts'
import type {Quota} from '../../disk/quota.ts'
import {isDiskFull} from '../../disk/storage-error.ts'
import type {SourceStore} from '../../store.ts'
import {type KeptImage, keptImagesOf, listKeptImages} from '../kept-images.ts'
import {UpstreamUnavailableError} from '../upstream.ts'
import type {KeptStore, KeptUsage} from './kept-store.ts'
import {type EvictionCandidate, type EvictionPolicy, evictionOrder, evictionTarget, PROTECTED_MS} from './policy.ts'
import {lastUsedMs, removeImage} from './remove-image.ts'
import {advanceUsage, type Instant, type UsageTimes} from './usage-clock.ts'

export interface EvictableUpstream {
  readonly name: string
  readonly kept: KeptStore & {readonly usage: KeptUsage}
  /** Asks the upstream. @throws {UpstreamUnavailableError} when it does not answer, or is left alone. */
  readonly ask: <Answer>(what: string, repository: RepositoryName, question: (source: SourceStore) => Promise<Answer>) => Promise<Answer>
}

/** An image that was evicted, or could not be. */
export interface EvictionResult {
  /** `size` and `unused`: the limit that it was evicted for. Otherwise why it stays. */
  readonly outcome: 'size' | 'unused' | 'kept: unreachable' | 'kept: gone upstream'
  readonly freedBytes: number
}

export interface EvictorOptions {
  readonly upstreams: readonly EvictableUpstream[]
  readonly policy: EvictionPolicy
  readonly quota: Quota
  readonly now: () => Instant
  readonly onResult?: ((upstream: string, image: KeptImage, result: EvictionResult) => void) | undefined
}

export interface Evictor {
  /** Measures, then evicts what the policy says. Rounds must not overlap. @throws {HoldfastError} STORAGE; INTERRUPTED. */
  round(signal: AbortSignal): Promise<void>
  /** As last measured; undefined before. */
  statistics(upstream: string): {readonly sizeBytes: number; readonly images: number} | undefined
  /** The clock cannot be believed, so that nothing is evicted. */
  readonly isClockSuspect: boolean
}

interface Candidate extends EvictionCandidate {
  readonly source: EvictableUpstream
}

export function createEvictor(options: EvictorOptions): Evictor {
  const {upstreams, policy, quota, now, onResult} = options
  const measured = new Map<string, {readonly sizeBytes: number; readonly images: number}>()
  /** Images that the upstream did not have, and when it was asked: it is asked again a day later. */
  const gone = new Map<string, number>()
  let last: Instant | undefined
  let isClockSuspect = false

  /** The times of all stores together: the most careful of them. */
  const advance = async (): Promise<UsageTimes | undefined> => {
    const instant = now()
    const all: UsageTimes[] = []
    isClockSuspect = false
    for (const {
      kept: {usage},
    } of upstreams) {
      const times = advanceUsage(await usage.readUsageTimes(), instant, last)
      if (times === undefined) {
        isClockSuspect = true
        continue
      }
      await usage.writeUsageTimes(times).catch((error: unknown) => {
        // Only evictions make room on a full disk.
        if (!isDiskFull(error)) throw error
      })
      all.push(times)
    }
    last = instant
    if (isClockSuspect) return undefined
    return {
      sinceMs: Math.max(...all.map(({sinceMs}) => sinceMs)),
      resumedMs: Math.max(...all.map(({resumedMs}) => resumedMs)),
      seenMs: instant.wallMs,
    }
  }

  const measure = async (signal: AbortSignal): Promise<readonly Candidate[]> => {
    const counted = new Set<string>()
    const candidates: Candidate[] = []
    let usedBytes = 0
    for (const source of upstreams) {
      const {name, kept} = source
      let images = 0
      for await (const image of listKeptImages(kept, signal)) {
        images++
        candidates.push({source, upstream: name, image, lastUsedMs: await lastUsedMs(kept.usage, image)})
      }
      const sizeBytes = await kept.usage.measure(counted)
      measured.set(name, {sizeBytes, images})
      usedBytes += sizeBytes
    }
    quota.measured(usedBytes)
    return candidates
  }

  /** Whether an image could be fetched again, as it is here. @throws {UpstreamUnavailableError} */
  const isAvailable = async (
    {ask}: EvictableUpstream,
    {repository, tags, manifests, blobs}: KeptImage,
    signal: AbortSignal,
  ): Promise<boolean> => {
    const has = async (what: string, question: (source: SourceStore) => Promise<unknown>): Promise<boolean> => {
      if (signal.aborted) throw interrupted()
      try {
        return (await ask(what, repository, question)) !== undefined
      } catch (error) {
        // What is refused cannot be fetched again.
        if (
          hasCode(
            error,
            'UNAUTHENTICATED',
            'DENIED',
            'MANIFEST_NOT_FOUND',
            'BLOB_NOT_FOUND',
            'REPOSITORY_NOT_FOUND',
            'INTEGRITY',
            'UNSUPPORTED',
          )
        )
          return false
        throw error
      }
    }
    for (const reference of [...tags, ...manifests]) {
      const separator = tags.some((tag) => tag === reference) ? ':' : '@'
      if (!(await has(`${separator}${reference}`, (source) => source.statManifest(repository, reference, {signal})))) return false
    }
    for (const digest of blobs.keys()) {
      if (!(await has(`@${digest}`, (source) => source.statBlob(repository, digest, {signal})))) return false
    }
    return true
  }

  /** Evicts one image, unless it was used meanwhile. Returns whether its upstream can be asked for others. */
  const evict = async (
    {source, image, lastUsedMs: before}: Candidate,
    outcome: 'size' | 'unused',
    signal: AbortSignal,
  ): Promise<boolean> => {
    const {name, kept} = source
    const key = `${name}/${image.repository}@${image.digest}`
    const askedMs = gone.get(key)
    if (askedMs !== undefined && now().wallMs - askedMs < PROTECTED_MS) return true
    const tell = (result: EvictionResult): void => onResult?.(name, image, result)
    try {
      if (!(await isAvailable(source, image, signal))) {
        gone.set(key, now().wallMs)
        tell({outcome: 'kept: gone upstream', freedBytes: 0})
        return true
      }
    } catch (error) {
      if (hasCode(error, 'INTERRUPTED') || !(error instanceof HoldfastError)) throw error
      if (!(error instanceof UpstreamUnavailableError) && !error.retryable) throw error
      tell({outcome: 'kept: unreachable', freedBytes: 0})
      return false
    }
    // A client may have been served it while the upstream was asked, or it may have changed.
    const current = (await keptImagesOf(kept, image.repository, signal)).find(({digest}) => digest === image.digest)
    if (current === undefined || (await lastUsedMs(kept.usage, current)) > before) return true
    const freedBytes = await removeImage(kept, current)
    quota.changed(-freedBytes)
    tell({outcome, freedBytes})
    return true
  }

  return {
    get isClockSuspect() {
      return isClockSuspect
    },
    statistics: (upstream) => measured.get(upstream),
    async round(signal) {
      const candidates = await measure(signal)
      const hasLimit = policy.maxSizeBytes !== undefined || policy.maxUnusedMs !== undefined
      const times = hasLimit ? await advance() : undefined
      if (times === undefined) return
      const target = evictionTarget(policy, quota.usedBytes ?? 0, quota.takeMissingBytes())
      const unreachable = new Set<EvictableUpstream>()
      for (const {candidate, isUnused} of evictionOrder(candidates, policy, times, now().wallMs)) {
        const isTooLarge = (quota.usedBytes ?? 0) > target
        if (!isUnused && !isTooLarge) break
        if (unreachable.has(candidate.source)) continue
        if (!(await evict(candidate, isUnused ? 'unused' : 'size', signal))) unreachable.add(candidate.source)
      }
    },
  }
}
