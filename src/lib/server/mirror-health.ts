/** Whether a mirror can serve what it has, and what restricts it. */
import type {MirrorCache} from '../content/pull-through/cache.ts'
import type {Upstream} from '../content/pull-through/upstream.ts'
import {DEFAULT_TAG, parseRepositoryName} from '../oci/reference.ts'
import {checkHealth, type HealthCheck, type Readiness} from './health.ts'
import {diskCheck} from './serve.ts'

/** Asked for in order to find out whether a registry answers; no image has this name. */
const PROBED_REPOSITORY = parseRepositoryName('holdfast-probe')

export interface MirrorHealthOptions {
  readonly caches: readonly MirrorCache[]
  readonly upstreams: () => readonly Pick<Upstream, 'isPaused' | 'isRestricted'>[]
  readonly isClockSuspect: () => boolean
}

export async function mirrorReadiness({caches, upstreams, isClockSuspect}: MirrorHealthOptions): Promise<Readiness> {
  const found = await checkHealth([
    ...caches.map((cache) => ({check: cacheCheck(cache), otherwise: 'store unreachable' as const})),
    {check: async () => ({degraded: isClockSuspect() ? ['clock'] : []}), otherwise: 'clock'},
    {
      check: async () => ({degraded: upstreams().some(({isRestricted}) => isRestricted) ? ['upstream paused'] : []}),
      otherwise: 'upstream paused',
    },
  ])
  // Without the registry that keeps its images a mirror passes on what its upstreams have.
  const isCutOff = found.degraded.includes('store unreachable') && upstreams().every(({isPaused}) => isPaused)
  return {...found, isReady: found.isReady && !isCutOff}
}

/** Bytes that the disk can still take; undefined where a registry keeps the images, or the file system does not tell. */
export async function freeBytes(caches: readonly MirrorCache[]): Promise<number | undefined> {
  const found = await Promise.all(caches.map(async ({health}) => (await health?.())?.freeBytes ?? Number.POSITIVE_INFINITY))
  const least = Math.min(...found)
  return Number.isFinite(least) ? least : undefined
}

/** Whether what the mirror keeps can be read. */
function cacheCheck(cache: MirrorCache): HealthCheck {
  const {health} = cache
  if (health !== undefined) return diskCheck({health}, {readOnly: false})
  return async () => {
    await cache.statManifest(PROBED_REPOSITORY, DEFAULT_TAG)
    return {}
  }
}
