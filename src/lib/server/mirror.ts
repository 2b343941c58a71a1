/** A pull-through mirror over HTTP: one cache for each upstream, every change refused, and what it is worth as metrics. */
import type {RequestListener} from 'node:http'
import {Quota} from '../content/disk/quota.ts'
import type {MirrorCache} from '../content/pull-through/cache.ts'
import type {MirrorEvent} from '../content/pull-through/events.ts'
import {createEvictor, type EvictableUpstream, type Evictor, type EvictorOptions} from '../content/pull-through/eviction/evictor.ts'
import type {EvictionPolicy} from '../content/pull-through/eviction/policy.ts'
import {recordUse} from '../content/pull-through/eviction/record-use.ts'
import type {RevalidationRule} from '../content/pull-through/revalidation.ts'
import {createPullThroughStore, type PullThroughStore} from '../content/pull-through/store.ts'
import {Upstream, type UpstreamStore} from '../content/pull-through/upstream.ts'
import type {AddressPolicy} from '../core/address-policy.ts'
import {unlessAborted} from '../core/settle-within.ts'
import {ClientRecords} from './client-records.ts'
import type {Exchange} from './exchange.ts'
import type {Readiness} from './health.ts'
import {freeBytes, mirrorReadiness} from './mirror-health.ts'
import type {MirrorMetrics} from './mirror-metrics.ts'
import type {NetworkAccess} from './network-access.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions, type SelectedStore} from './registry-server.ts'
import {requestedUpstream, type UpstreamChoice, type UpstreamName} from './requested-upstream.ts'
import {isProbe, type Route} from './route.ts'
import {STOP_GRACE_MS} from './serve.ts'
import type {ServerListener} from './server-events.ts'
import {startUploadPurge, type UploadPurge} from './upload-purge.ts'

/** An upstream that hangs is asked again for five minutes. A connection on which nothing moved for so long is closed, and a proxy takes that for a failure of the mirror. */
const ANSWER_TIMEOUT_MS = 120_000

export interface MirroredUpstream extends UpstreamName {
  readonly store: UpstreamStore
  /** Where the mirror keeps what it has of it. */
  readonly openCache: () => Promise<MirrorCache>
}

export interface MirrorOptions extends ListenAddress, Pick<RegistryServerOptions, 'tls' | 'minimumRate'> {
  readonly upstreams: readonly [MirroredUpstream, ...MirroredUpstream[]]
  /** The name of the upstream that a request without one is about. Where it is absent that is the only upstream, and of several none. */
  readonly unnamed?: string | undefined
  readonly rules: readonly RevalidationRule[]
  /** Whether the parts of an image that no client asked for are fetched in the background; they are unless said. */
  readonly completes?: boolean | undefined
  readonly accessControl?: NetworkAccess | undefined
  /** Proxies that are believed about where a client comes from, in what is reported of clients; access is by connection. */
  readonly isProxy?: AddressPolicy | undefined
  readonly listener?: ServerListener | undefined
  readonly onEvent?: ((upstream: string, event: MirrorEvent) => void) | undefined
  /** What is evicted from a folder, and how much it may take; nothing and all when absent. */
  readonly eviction?: {readonly policy: EvictionPolicy; readonly quota: Quota} | undefined
  readonly onEvicted?: EvictorOptions['onResult']
  /** Whether a request counts as a use of an image; it does unless said. */
  readonly recordsUse?: boolean | undefined
  /** When a request is given up whose answer has not begun; `ANSWER_TIMEOUT_MS` unless said. */
  readonly answerTimeoutMs?: number | undefined
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

interface Mirror extends UpstreamName {
  readonly store: PullThroughStore
  readonly upstream: Upstream
}

/**
 * Serves what upstreams have and had. The port is taken first: a start that fails for it has opened nothing.
 * @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION; INTERRUPTED; what opening a cache throws.
 */
export async function serveMirror(options: MirrorOptions): Promise<ServedMirror> {
  const {
    upstreams,
    unnamed,
    rules,
    completes,
    host,
    port,
    tls,
    minimumRate,
    accessControl,
    isProxy,
    answerTimeoutMs = ANSWER_TIMEOUT_MS,
    listener,
    onEvent,
    onEvicted,
    signal,
  } = options
  const {policy, quota} = options.eviction ?? {policy: {keep: []}, quota: new Quota(Number.POSITIVE_INFINITY)}
  await using opened = new AsyncDisposableStack()
  let purge: UploadPurge | undefined
  let metrics: MirrorMetrics | undefined
  let evictor: Evictor | undefined
  const tell: ServerListener = (event) => {
    listener?.(event)
    if (event.type === 'request') metrics?.answered(event)
    else {
      metrics?.failed(event)
      purge?.noteFailure(event.error)
    }
  }
  const server = createRegistryServer({tls, minimumRate, isGuarded: accessControl !== undefined, listener: tell})
  opened.defer(() => server.close({graceMs: 0}))
  const address = await server.listen({host, port})
  const {createMirrorMetrics} = await import('./mirror-metrics.ts')
  const clients = new ClientRecords({now: Date.now, isProxy})
  const mirrors: Mirror[] = []
  const caches: MirrorCache[] = []
  const readiness = (): Promise<Readiness> =>
    mirrorReadiness({
      caches,
      upstreams: () => mirrors.map(({upstream}) => upstream),
      isClockSuspect: () => evictor?.isClockSuspect === true,
    })
  const measured = createMirrorMetrics(clients, async () => ({
    freeBytes: await freeBytes(caches),
    conditions: (await readiness()).degraded,
    upstreams: mirrors.map(({name, upstream}) => ({
      name,
      isPaused: upstream.isRestricted,
      sizeBytes: evictor?.statistics(name)?.sizeBytes,
      images: evictor?.statistics(name)?.images,
    })),
  }))
  metrics = measured
  const evictables: EvictableUpstream[] = []
  const open = async ({name, path, store: source, openCache}: MirroredUpstream): Promise<Mirror> => {
    const cache = await openCache()
    opened.defer(() => cache.close())
    caches.push(cache)
    const upstream = new Upstream({name, store: source, now: Date.now, onPause: () => measured.paused(name)})
    const store = createPullThroughStore({
      cache,
      upstream,
      rules,
      completes,
      now: Date.now,
      onEvent: (event) => {
        measured.told(name, event)
        onEvent?.(name, event)
        if (event.type === 'failure' || event.type === 'damaged')
          tell({type: 'failure', requestId: `mirror of ${name}`, error: event.error, upstream: name})
      },
    })
    opened.defer(() => store.close({graceMs: 0}))
    const {kept} = cache
    const {usage} = kept
    if (usage === undefined) return {name, path, store, upstream}
    evictables.push({
      name,
      kept: {...kept, usage},
      ask: (what, repository, question) => upstream.ask({kind: 'head', repository, what}, question),
    })
    const onFailure = (error: unknown): void => tell({type: 'failure', requestId: `mirror of ${name}`, error, upstream: name})
    return {name, path, store: options.recordsUse === false ? store : recordUse(store, {usage, now: Date.now, onFailure}), upstream}
  }
  const [first, ...others] = await unlessAborted(Promise.all([open(upstreams[0]), ...upstreams.slice(1).map(open)]), signal)
  mirrors.push(first, ...others)
  const choice = {upstreams: [first, ...others] as const, unnamed: others.length === 0 ? first : mirrors.find(({name}) => name === unnamed)}
  server.answer({
    store: first.store,
    select: (exchange, route) => select(choice, clients, exchange, route),
    accessControl,
    answerTimeoutMs,
    readiness,
    others: answerOthers(measured, clients),
    guardsOthers: true,
  })
  evictor = createEvictor({
    upstreams: evictables,
    policy,
    quota,
    now: () => ({wallMs: Date.now(), monotonicMs: performance.now()}),
    onResult: (name, image, result) => {
      measured.evicted(name, result)
      onEvicted?.(name, image, result)
    },
  })
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

function select(choice: UpstreamChoice<Mirror>, clients: ClientRecords, exchange: Exchange, route: Route): SelectedStore {
  const {request, query} = exchange
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  // Changes are refused for every registry, and each client may learn that this is a registry.
  if (!isRead || route.kind === 'base' || isProbe(route)) return {store: choice.upstreams[0].store, route}
  const {upstream, route: within} = requestedUpstream(choice, route, query)
  clients.watch(exchange, upstream.name, within)
  return {upstream: upstream.name, store: upstream.store, route: within}
}

/** What is not the registry's: metrics and clients, for those that may use the mirror. */
function answerOthers(metrics: Pick<MirrorMetrics, 'contentType' | 'text'>, clients: ClientRecords): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?')[0]
    if (path === '/clients') {
      response.writeHead(200, {'content-type': 'application/json'})
      return void response.end(JSON.stringify({since: clients.since, clients: clients.list()}))
    }
    if (path !== '/metrics') return void response.writeHead(404).end()
    metrics.text().then(
      (text) => response.writeHead(200, {'content-type': metrics.contentType}).end(text),
      () => response.writeHead(500).end(),
    )
  }
}
