/** A pull-through mirror over HTTP: one store for each upstream, every change refused, and what it is worth as metrics. */
import type {RequestListener} from 'node:http'
import {createFilesystemStore} from '../content/filesystem/store.ts'
import type {RevalidationRule} from '../content/pull-through/revalidation.ts'
import {createPullThroughStore, type MirrorEvent} from '../content/pull-through/store.ts'
import {Upstream, type UpstreamStore} from '../content/pull-through/upstream.ts'
import type {AccessControl} from './access-control.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions} from './registry-server.ts'
import {STOP_GRACE_MS} from './serve.ts'
import type {ServerListener} from './server-events.ts'
import type {ServableStore} from './upload-sessions.ts'

export interface MirroredUpstream {
  /** As references name it: `docker.io`; what containerd says in `ns=`. */
  readonly name: string
  readonly store: UpstreamStore
  /** Where the mirror keeps what it has of it. */
  readonly directory: string
}

export interface MirrorOptions extends ListenAddress, Pick<RegistryServerOptions, 'tls'> {
  /** The first one is asked for what no `ns=` says otherwise. */
  readonly upstreams: readonly [MirroredUpstream, ...MirroredUpstream[]]
  readonly rules: readonly RevalidationRule[]
  readonly accessControl?: AccessControl | undefined
  readonly listener?: ServerListener | undefined
  readonly onEvent?: ((upstream: string, event: MirrorEvent) => void) | undefined
}

export interface ServedMirror {
  readonly address: ListenAddress
  /** Stops the server; what is on its way from upstreams is finished first. */
  stop(): Promise<void>
}

/** @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION */
export async function serveMirror(options: MirrorOptions): Promise<ServedMirror> {
  const {upstreams, rules, host, port, tls, accessControl, listener, onEvent} = options
  const {createMirrorMetrics} = await import('./mirror-metrics.ts')
  const metrics = createMirrorMetrics()
  const mirrors = upstreams.map(({name, store: source, directory}) => {
    const disk = createFilesystemStore({root: directory})
    const upstream = new Upstream({name, store: source, now: Date.now, onPause: () => metrics.paused(name)})
    const store = createPullThroughStore({
      store: disk,
      writeSparse: (repository, reference, manifest) => disk.writeSparseManifest(repository, reference, manifest),
      upstream,
      rules,
      now: Date.now,
      onEvent: (event) => {
        metrics.told(name, event)
        onEvent?.(name, event)
        if (event.type === 'failure') listener?.({type: 'failure', requestId: `mirror of ${name}`, error: event.error})
      },
    })
    return {name, disk, store}
  })
  const byName = new Map<string, ServableStore>(mirrors.map(({name, store}) => [name, store]))
  const [first] = mirrors
  if (first === undefined) throw new TypeError('a mirror has an upstream')
  const server = createRegistryServer({
    store: first.store,
    storeFor: (query) => byName.get(query.get('ns') ?? ''),
    readOnly: true,
    accessControl,
    tls,
    others: answerOthers(metrics),
    ...(listener === undefined ? {} : {listener}),
  })
  const close = async (): Promise<void> => {
    await Promise.all(mirrors.map(({store}) => store.settled()))
    await Promise.all(mirrors.map(({disk}) => disk.close()))
  }
  const address = await server.listen({host, port}).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    address,
    async stop() {
      await server.close({graceMs: STOP_GRACE_MS})
      await close()
    },
  }
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
