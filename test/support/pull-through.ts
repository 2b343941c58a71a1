/** A mirror's store over an upstream in memory, with a cache that is real: a folder, or a registry on loopback. */
import {join} from 'node:path'
import {createFilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import type {MirrorCache} from '../../src/lib/content/pull-through/cache.ts'
import {createDiskCache} from '../../src/lib/content/pull-through/disk-cache.ts'
import type {MirrorEvent} from '../../src/lib/content/pull-through/events.ts'
import {createRegistryCache} from '../../src/lib/content/pull-through/registry-cache.ts'
import {parseRevalidationRule} from '../../src/lib/content/pull-through/revalidation.ts'
import {createPullThroughStore, type PullThroughStore} from '../../src/lib/content/pull-through/store.ts'
import {Upstream} from '../../src/lib/content/pull-through/upstream.ts'
import type {VerifyPace} from '../../src/lib/content/pull-through/verify-walk.ts'
import {createRemoteStore} from '../../src/lib/content/remote/store.ts'
import {createWireClient} from '../../src/lib/http/wire/client.ts'
import {parseRegistryHost, parseRepositoryName} from '../../src/lib/oci/reference.ts'
import {serveRegistry} from '../../src/lib/server/serve.ts'
import {FaultyUpstream} from './faulty-upstream.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'

export type CacheKind = 'a disk' | 'a registry'

export interface MirrorOptions {
  readonly kind?: CacheKind
  /** Of images that no client pulls whole; never when absent. */
  readonly completionDelayMs?: number
  readonly pace?: VerifyPace
  readonly healWaitMs?: number
  /** How often tags are looked up; each time when absent. */
  readonly revalidate?: string
}

export interface TestMirror {
  readonly upstream: FaultyUpstream
  readonly store: PullThroughStore
  readonly events: readonly MirrorEvent[]
  /** Where the disk keeps its content. */
  readonly root: string
  /** Where the registry keeps its content. */
  readonly registryRoot: string
  /** Milliseconds that are added to the clock. */
  laterMs: number
  restart(): Promise<void>
  close(): Promise<void>
}

export interface CachePlace {
  /** Where the disk keeps its content. */
  readonly root: string
  /** Where the registry keeps its content. */
  readonly registryRoot: string
  /** Opens the cache, again after it was closed. */
  openCache(): MirrorCache
  remove(): Promise<void>
}

/** A place for a cache of that kind. */
export async function createCachePlace(kind: CacheKind, pace?: VerifyPace): Promise<CachePlace> {
  const temporary = await createTemporaryDirectory('pull-through')
  const root = join(temporary.path, 'cache')
  const registryRoot = join(temporary.path, 'registry')
  const served = kind === 'a disk' ? undefined : await serveRegistry({dataDirectory: registryRoot, host: '127.0.0.1', port: 0})
  const http = createWireClient()
  return {
    root,
    registryRoot,
    openCache: () =>
      served === undefined
        ? createDiskCache({disk: createFilesystemStore({root}), pace})
        : createRegistryCache({
            registry: createRemoteStore({
              http,
              endpoint: {registry: parseRegistryHost(`127.0.0.1:${served.address.port}`), plainHttp: 'always', tls: {}, capabilities: {}},
            }),
            prefix: parseRepositoryName('mirror/upstream'),
            scratchDirectory: join(temporary.path, 'scratch'),
          }),
    async remove() {
      http.close()
      await served?.stop({graceMs: 0})
      await temporary.remove()
    },
  }
}

export async function openMirror(options: MirrorOptions = {}): Promise<TestMirror> {
  const {kind = 'a disk', completionDelayMs, healWaitMs, pace, revalidate = '**=always'} = options
  const place = await createCachePlace(kind, pace)
  const {root, registryRoot, openCache} = place
  const upstream = new FaultyUpstream()
  const events: MirrorEvent[] = []
  const openStore = (cache: MirrorCache): PullThroughStore =>
    createPullThroughStore({
      cache,
      upstream: new Upstream({name: 'upstream', store: upstream, now: () => Date.now() + mirror.laterMs}),
      rules: [parseRevalidationRule(revalidate)],
      now: () => Date.now() + mirror.laterMs,
      onEvent: (event) => events.push(event),
      completes: completionDelayMs !== undefined,
      completionDelayMs,
      healWaitMs,
    })
  const closeStore = async (): Promise<void> => {
    await store.close({graceMs: 10_000})
    await cache.close()
  }
  const mirror: TestMirror = {
    upstream,
    events,
    root,
    registryRoot,
    laterMs: 0,
    get store() {
      return store
    },
    async restart() {
      await closeStore()
      cache = openCache()
      store = openStore(cache)
    },
    async close() {
      await closeStore()
      await place.remove()
    },
  }
  let cache = openCache()
  let store = openStore(cache)
  return mirror
}
