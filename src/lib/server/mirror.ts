/** A pull-through mirror over HTTP: one cache for each upstream, every change refused, and what it is worth as metrics. */
import type {RequestListener} from 'node:http'
import type {MirrorCache} from '../content/pull-through/cache.ts'
import type {RevalidationRule} from '../content/pull-through/revalidation.ts'
import {createPullThroughStore, type MirrorEvent, type PullThroughStore} from '../content/pull-through/store.ts'
import {Upstream, type UpstreamStore} from '../content/pull-through/upstream.ts'
import {parseNamed, type RepositoryName} from '../oci/reference.ts'
import type {AccessControl} from './access-control.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions, type SelectedStore} from './registry-server.ts'
import type {Route} from './route.ts'
import {STOP_GRACE_MS} from './serve.ts'
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
}

export interface ServedMirror {
  readonly address: ListenAddress
  /** What clients see of an upstream, by its name. */
  readonly stores: ReadonlyMap<string, PullThroughStore>
  /** Stops the server; what is on its way from upstreams is finished first. */
  stop(): Promise<void>
}

interface Mirror {
  readonly name: string
  readonly path: RepositoryName
  readonly cache: MirrorCache
  readonly store: PullThroughStore
}

/** @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION */
export async function serveMirror(options: MirrorOptions): Promise<ServedMirror> {
  const {upstreams, rules, host, port, tls, accessControl, listener, onEvent} = options
  const {createMirrorMetrics} = await import('./mirror-metrics.ts')
  const metrics = createMirrorMetrics()
  let purge: UploadPurge | undefined
  const tell: ServerListener = (event) => {
    listener?.(event)
    if (event.type === 'failure') purge?.noteFailure(event.error)
  }
  const open = async ({name, path, store: source, openCache}: MirroredUpstream): Promise<Mirror> => {
    const cache = await openCache()
    const upstream = new Upstream({name, store: source, now: Date.now, onPause: () => metrics.paused(name)})
    const store = createPullThroughStore({
      cache,
      upstream,
      rules,
      now: Date.now,
      onEvent: (event) => {
        metrics.told(name, event)
        onEvent?.(name, event)
        if (event.type === 'failure') tell({type: 'failure', requestId: `mirror of ${name}`, error: event.error})
      },
    })
    return {name, path, cache, store}
  }
  const [first, ...others] = await Promise.all([open(upstreams[0]), ...upstreams.slice(1).map(open)])
  const mirrors = [first, ...others]
  const server = createRegistryServer({
    store: first.store,
    select: (route, query) => select(mirrors, route, query.get('ns')),
    accessControl,
    tls,
    others: answerOthers(metrics),
    listener: tell,
  })
  const close = async (): Promise<void> => {
    await Promise.all(mirrors.map(({store}) => store.settled()))
    await Promise.all(mirrors.map(({cache}) => cache.close()))
  }
  const address = await server.listen({host, port}).catch(async (error: unknown) => {
    await close()
    throw error
  })
  purge = startUploadPurge({
    purge: (options) => Promise.all(mirrors.map(({cache}) => cache.purgeStaleUploads?.(options))),
    listener,
  })
  return {
    address,
    stores: new Map(mirrors.map(({name, store}) => [name, store])),
    async stop() {
      await server.close({graceMs: STOP_GRACE_MS})
      await purge?.stop()
      await close()
    },
  }
}

/** Which upstream a request is about: by `ns=`, else by the first part of the repository, which is then not part of its name there. */
function select(mirrors: readonly Mirror[], route: Route, ns: string | null): SelectedStore | undefined {
  const byName = mirrors.find(({name}) => name === ns)
  if (byName !== undefined) return {store: byName.store, route}
  if (!('repository' in route)) return undefined
  const byPath = mirrors.find(({path}) => route.repository.startsWith(`${path}/`))
  if (byPath === undefined) return undefined
  const {name, path, store} = byPath
  // `docker.io/alpine` is `library/alpine` there, as everywhere.
  const {repository} = parseNamed(`${name}/${route.repository.slice(path.length + 1)}`)
  return {store, route: {...route, repository}}
}

function answerOthers(metrics: {readonly contentType: string; text(): Promise<string>}): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?')[0]
    if (path === '/readyz') return void response.writeHead(200, {'content-type': 'application/json'}).end('{"status":"ok"}')
    if (path !== '/metrics') return void response.writeHead(404).end()
    metrics.text().then(
      (text) => response.writeHead(200, {'content-type': metrics.contentType}).end(text),
      () => response.writeHead(500).end(),
    )
  }
}
