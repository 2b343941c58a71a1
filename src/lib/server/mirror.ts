/** A pull-through mirror over HTTP: one cache for each upstream, every change refused, and what it is worth as metrics. */
import type {RequestListener} from 'node:http'
import {Quota} from '../content/disk/quota.ts'
import type {MirrorCache} from '../content/pull-through/cache.ts'
import {createEvictor, type EvictableUpstream, type Evictor, type EvictorOptions} from '../content/pull-through/eviction/evictor.ts'
import type {EvictionPolicy} from '../content/pull-through/eviction/policy.ts'
import {recordUse} from '../content/pull-through/eviction/record-use.ts'
import type {Instant} from '../content/pull-through/eviction/usage-clock.ts'
import type {RevalidationRule} from '../content/pull-through/revalidation.ts'
import {createPullThroughStore, type MirrorEvent, type PullThroughStore} from '../content/pull-through/store.ts'
import {Upstream, type UpstreamStore} from '../content/pull-through/upstream.ts'
import {unlessAborted} from '../core/settle-within.ts'
import {DEFAULT_TAG, parseNamed, parseRepositoryName, type RepositoryName} from '../oci/reference.ts'
import type {AccessControl} from './access-control.ts'
import {checkHealth, type HealthCheck, type Readiness} from './health.ts'
import type {MirrorMetrics} from './mirror-metrics.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions, type SelectedStore} from './registry-server.ts'
import type {Route} from './route.ts'
import {diskCheck, STOP_GRACE_MS} from './serve.ts'
import type {ServerListener} from './server-events.ts'
import {startUploadPurge, type UploadPurge} from './upload-purge.ts'

export interface MirroredUpstream {
  /** As references name it: `docker.io`; what containerd says in `ns=`. */
  readonly name: string
  /** The same as the first part of a repository: `docker.io`, `localhost_5000`. */
  readonly path: RepositoryName
  readonly store: UpstreamStore
  /** Where the mirror keeps what it has of it. */
  readonly openCache: () => Promise<MirrorCache>
}

export interface MirrorOptions extends ListenAddress, Pick<RegistryServerOptions, 'tls'> {
  /** The first one is asked for what neither `ns=` nor the repository's first part says otherwise. */
  readonly upstreams: readonly [MirroredUpstream, ...MirroredUpstream[]]
  readonly rules: readonly RevalidationRule[]
  readonly accessControl?: AccessControl | undefined
  readonly listener?: ServerListener | undefined
  readonly onEvent?: ((upstream: string, event: MirrorEvent) => void) | undefined
  /** What is evicted from a folder, and how much it may take; nothing and all when absent. */
  readonly eviction?: {readonly policy: EvictionPolicy; readonly quota: Quota} | undefined
  readonly onEvicted?: EvictorOptions['onResult']
  /** Whether a request counts as a use of an image; it does unless said. */
  readonly recordsUse?: boolean | undefined
  /** Gives up the start; what had been opened is closed. */
  readonly signal?: AbortSignal | undefined
}

export interface ServedMirror {
  readonly address: ListenAddress
  /** What clients see of an upstream, by its name. */
  readonly stores: ReadonlyMap<string, PullThroughStore>
  /** Stops the server; requests, and what is on its way from upstreams, may take `graceMs` to finish, which is `STOP_GRACE_MS` unless said. */
  stop(options?: {readonly graceMs?: number}): Promise<void>
}

interface Mirror {
  readonly name: string
  readonly path: RepositoryName
  readonly store: PullThroughStore
  readonly isPaused: () => boolean
  readonly check: HealthCheck
}

/**
 * Serves what upstreams have and had. The port is taken first: a start that fails for it has opened nothing.
 * @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION; INTERRUPTED; what opening a cache throws.
 */
export async function serveMirror(options: MirrorOptions): Promise<ServedMirror> {
  const {upstreams, rules, host, port, tls, accessControl, listener, onEvent, onEvicted, signal} = options
  const {policy, quota} = options.eviction ?? {policy: {keep: []}, quota: new Quota(Number.POSITIVE_INFINITY)}
  const evictables: EvictableUpstream[] = []
  let evictor: Evictor | undefined
  await using opened = new AsyncDisposableStack()
  let purge: UploadPurge | undefined
  let metrics: MirrorMetrics | undefined
  const tell: ServerListener = (event) => {
    listener?.(event)
    if (event.type === 'request') metrics?.answered(event)
    else {
      metrics?.failed(event)
      purge?.noteFailure(event.error)
    }
  }
  const server = createRegistryServer({tls, isGuarded: accessControl !== undefined, listener: tell})
  opened.defer(() => server.close({graceMs: 0}))
  const address = await server.listen({host, port})
  const {createMirrorMetrics} = await import('./mirror-metrics.ts')
  const mirrors: Mirror[] = []
  const clock: HealthCheck = async () => ({degraded: evictor?.isClockSuspect ? ['clock'] : []})
  const readiness = async (): Promise<Readiness> => {
    const found = await checkHealth([
      ...mirrors.map(({check}) => ({check, otherwise: 'store unreachable' as const})),
      {check: clock, otherwise: 'clock' as const},
      {
        check: async () => ({degraded: mirrors.some(({isPaused}) => isPaused()) ? ['upstream paused'] : []}),
        otherwise: 'upstream paused' as const,
      },
    ])
    // Without the registry that keeps its images a mirror passes on what its upstreams have.
    const isCutOff = found.degraded.includes('store unreachable') && mirrors.every(({isPaused}) => isPaused())
    return {...found, isReady: found.isReady && !isCutOff}
  }
  const told = createMirrorMetrics(async () => ({
    freeBytes: await freeBytes(caches),
    conditions: (await readiness()).degraded,
    upstreams: mirrors.map(({name, isPaused}) => ({
      name,
      isPaused: isPaused(),
      sizeBytes: evictor?.statistics(name)?.sizeBytes,
      images: evictor?.statistics(name)?.images,
    })),
  }))
  metrics = told
  const caches: MirrorCache[] = []
  const open = async ({name, path, store: source, openCache}: MirroredUpstream): Promise<Mirror> => {
    const cache = await openCache()
    opened.defer(() => cache.close())
    caches.push(cache)
    const upstream = new Upstream({name, store: source, now: Date.now, onPause: () => told.paused(name)})
    const store = createPullThroughStore({
      cache,
      upstream,
      rules,
      now: Date.now,
      onEvent: (event) => {
        told.told(name, event)
        onEvent?.(name, event)
        if (event.type === 'failure') tell({type: 'failure', requestId: `mirror of ${name}`, error: event.error, upstream: name})
      },
    })
    opened.defer(() => store.close({graceMs: 0}))
    const {kept} = cache
    const {usage} = kept
    if (usage !== undefined) evictables.push({name, kept: {...kept, usage}, ask: (...question) => upstream.ask(...question)})
    const onFailure = (error: unknown): void => tell({type: 'failure', requestId: `mirror of ${name}`, error, upstream: name})
    const served = usage === undefined || options.recordsUse === false ? store : recordUse(store, {usage, now: Date.now, onFailure})
    const isPaused = () => upstream.isPaused
    return {name, path, store: served, isPaused, check: cacheCheck(cache)}
  }
  const [first, ...others] = await unlessAborted(Promise.all([open(upstreams[0]), ...upstreams.slice(1).map(open)]), signal)
  mirrors.push(first, ...others)
  server.answer({
    store: first.store,
    select: (route, query) => select(mirrors, route, query.get('ns')) ?? {upstream: first.name, store: first.store, route},
    accessControl,
    readiness,
    others: answerOthers(told),
    guardsOthers: true,
  })
  const now = (): Instant => ({wallMs: Date.now(), monotonicMs: performance.now()})
  const onResult: EvictorOptions['onResult'] = (name, image, result) => {
    told.evicted(name, result)
    onEvicted?.(name, image, result)
  }
  evictor = createEvictor({upstreams: evictables, policy, quota, now, onResult})
  purge = startUploadPurge({
    purge: async (options) => {
      const purged = await Promise.allSettled(caches.map((cache) => cache.purgeStaleUploads?.(options)))
      await evictor?.round(options.signal ?? new AbortController().signal)
      for (const one of purged) if (one.status === 'rejected') throw one.reason
    },
    listener,
  })
  opened.defer(async () => await purge?.stop())
  const rest = opened.move()
  return {
    address,
    stores: new Map(mirrors.map(({name, store}) => [name, store])),
    async stop({graceMs = STOP_GRACE_MS} = {}) {
      const endMs = performance.now() + graceMs
      await server.close({graceMs})
      const leftMs = Math.max(0, endMs - performance.now())
      await Promise.all(mirrors.map(({store}) => store.close({graceMs: leftMs})))
      await rest.disposeAsync()
    },
  }
}

/** Which upstream a request is about: by `ns=`, else by the first part of the repository, which is then not part of its name there. */
function select(mirrors: readonly Mirror[], route: Route, ns: string | null): SelectedStore | undefined {
  const byName = mirrors.find(({name}) => name === ns)
  if (byName !== undefined) return {upstream: byName.name, store: byName.store, route}
  if (!('repository' in route)) return undefined
  const below = ns === null ? undefined : mirrors.find(({name}) => `${ns}/${route.repository}`.startsWith(`${name}/`))
  if (below !== undefined && ns !== null) {
    const repository = parseRepositoryName(`${ns}/${route.repository}`.slice(below.name.length + 1))
    return {upstream: below.name, store: below.store, route: {...route, repository}}
  }
  const byPath = mirrors.find(({path}) => route.repository.startsWith(`${path}/`))
  if (byPath === undefined) return undefined
  const {name, path, store} = byPath
  // `docker.io/alpine` is `library/alpine` there, as everywhere.
  const within = route.repository.slice(path.length + 1)
  const repository = name.includes('/') ? parseRepositoryName(within) : parseNamed(`${name}/${within}`).repository
  return {upstream: name, store, route: {...route, repository}}
}

function answerOthers(metrics: Pick<MirrorMetrics, 'contentType' | 'text'>): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?')[0]
    if (path !== '/metrics') return void response.writeHead(404).end()
    metrics.text().then(
      (text) => response.writeHead(200, {'content-type': metrics.contentType}).end(text),
      () => response.writeHead(500).end(),
    )
  }
}

/** Bytes that the disk can still take; undefined where a registry keeps the images, or the file system does not tell. */
async function freeBytes(caches: readonly MirrorCache[]): Promise<number | undefined> {
  const found = await Promise.all(caches.map(async ({health}) => (await health?.())?.freeBytes ?? Number.POSITIVE_INFINITY))
  const least = Math.min(...found)
  return Number.isFinite(least) ? least : undefined
}

/** Asked for in order to find out whether a registry answers; no image has this name. */
const PROBED_REPOSITORY = parseRepositoryName('holdfast-probe')

/** Whether what the mirror keeps can be read. */
function cacheCheck(cache: MirrorCache): HealthCheck {
  const {health} = cache
  if (health !== undefined) return diskCheck({health}, {readOnly: false})
  return async () => {
    await cache.statManifest(PROBED_REPOSITORY, DEFAULT_TAG)
    return {}
  }
}
