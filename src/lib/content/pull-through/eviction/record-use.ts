/** Records what clients of a mirror were served, so that eviction knows what they use. */
import {LRUCache} from 'lru-cache'
import type {Digest} from '../../../oci/digest.ts'
import type {RepositoryName} from '../../../oci/reference.ts'
import type {PullThroughStore} from '../store.ts'
import type {KeptUsage} from './kept-store.ts'

/** A use is recorded again after this time: what was served then is at most so much younger than recorded. */
export const USE_RESOLUTION_MS = 10 * 60_000
const MAX_REMEMBERED = 10_000

export interface RecordUseOptions {
  readonly usage: Pick<KeptUsage, 'markUsed'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onFailure: (error: unknown) => void
}

/** The same store; a manifest counts as used when a client asks for it, by GET or HEAD, and a blob when it is read. */
export function recordUse(store: PullThroughStore, {usage, now, onFailure}: RecordUseOptions): PullThroughStore {
  const recorded = new LRUCache<string, number>({max: MAX_REMEMBERED})
  const used = (repository: RepositoryName, digest: Digest): void => {
    const key = `${repository}@${digest}`
    const nowMs = now()
    const beforeMs = recorded.get(key)
    if (beforeMs !== undefined && Math.abs(nowMs - beforeMs) < USE_RESOLUTION_MS) return
    recorded.set(key, nowMs)
    usage.markUsed(repository, digest, nowMs).catch(onFailure)
  }
  return {
    statBlob: (...call) => store.statBlob(...call),
    async readBlob(...call) {
      const [repository, {digest}] = call
      // Before it is served, so that it stays while it is.
      used(repository, digest)
      await store.readBlob(...call)
    },
    async statManifest(...call) {
      const found = await store.statManifest(...call)
      if (found !== undefined) used(call[0], found.digest)
      return found
    },
    async readManifest(...call) {
      const found = await store.readManifest(...call)
      if (found !== undefined) used(call[0], found.digest)
      return found
    },
    listTags: (...call) => store.listTags(...call),
    listReferrers: (...call) => store.listReferrers(...call),
    listRepositories: (...call) => store.listRepositories(...call),
    warningOf: (answer) => store.warningOf(answer),
    close: (options) => store.close(options),
  }
}
