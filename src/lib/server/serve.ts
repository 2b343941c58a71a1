/** The embedded registry as the `serve` command runs it: a server over the store in a data directory. */
import type {RequestListener} from 'node:http'
import {Quota} from '../content/disk/quota.ts'
import {createFilesystemStore, type FilesystemStore, type PurgeOptions} from '../content/filesystem/store.ts'
import {unlessAborted} from '../core/settle-within.ts'
import type {AccessControl} from './access-control.ts'
import {checkHealth, type HealthCheck} from './health.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions} from './registry-server.ts'
import {type RemovalListener, tellRemovals} from './removals.ts'
import type {ServerListener} from './server-events.ts'
import {startUploadPurge, type UploadPurge} from './upload-purge.ts'

/** How long running requests may go on after a stop was asked for. */
export const STOP_GRACE_MS = 10_000

export interface ServeOptions extends ListenAddress, Pick<RegistryServerOptions, 'tls' | 'minimumRate' | 'connections' | 'smallBodyMs'> {
  /** The root of the store, in CNCF Distribution's layout; it need not exist yet. */
  readonly dataDirectory: string
  readonly readOnly?: boolean
  /** What its images may take; any size when absent. */
  readonly maxSizeBytes?: number | undefined
  readonly listener?: ServerListener
  /** Opens what knows who may do what, once the port is taken; it is closed with the server. Without it only programs of this machine are answered. */
  readonly openAuthority?: (() => Promise<ServedAuthority>) | undefined
  /** Told of what clients remove, before it is removed. */
  readonly onRemoval?: RemovalListener | undefined
  /** Gives up the start; what had been opened is closed. */
  readonly signal?: AbortSignal | undefined
}

/** Who may do what with the registry, and what is served beside it. */
export interface ServedAuthority {
  readonly accessControl: AccessControl
  readonly others: RequestListener
  /** What restricts it beside the disk. */
  readonly healthChecks?: Parameters<typeof checkHealth>[0] | undefined
  close(): Promise<void>
}

export interface ServedRegistry {
  /** Where it listens, with the port that was taken. */
  readonly address: ListenAddress
  /** Stops the server and closes the store; `graceMs` is `STOP_GRACE_MS` unless said. */
  stop(options?: {readonly graceMs?: number}): Promise<void>
}

/**
 * Serves the store in a data directory. The port is taken first: a start that fails for it has changed nothing.
 * @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION; INTERRUPTED; what opening the authority throws.
 */
export async function serveRegistry(options: ServeOptions): Promise<ServedRegistry> {
  const {
    dataDirectory,
    host,
    port,
    readOnly = false,
    maxSizeBytes,
    listener,
    openAuthority,
    tls,
    minimumRate,
    connections,
    smallBodyMs,
    onRemoval,
    signal,
  } = options
  await using opened = new AsyncDisposableStack()
  let purge: UploadPurge | undefined
  const tell: ServerListener = (event) => {
    listener?.(event)
    if (event.type === 'failure') purge?.noteFailure(event.error)
  }
  const server = createRegistryServer({tls, minimumRate, connections, smallBodyMs, isGuarded: openAuthority !== undefined, listener: tell})
  opened.defer(() => server.close({graceMs: 0}))
  const address = await server.listen({host, port})
  const quota = maxSizeBytes === undefined ? undefined : new Quota(maxSizeBytes)
  const store = createFilesystemStore({root: dataDirectory, quota})
  opened.defer(() => store.close())
  quota?.measured(await store.measureUsedBytes(signal === undefined ? {} : {signal}))
  const authority = openAuthority === undefined ? undefined : await unlessAborted(openAuthority(), signal)
  if (authority !== undefined) opened.defer(() => authority.close())
  if (!readOnly) purge = startUploadPurge({purge: (call) => purgeAndMeasure(store, quota, call), listener})
  opened.defer(async () => await purge?.stop())
  const readiness = () =>
    checkHealth([{check: diskCheck(store, {readOnly}), otherwise: 'disk read-only'}, ...(authority?.healthChecks ?? [])])
  const changes = onRemoval === undefined ? store : tellRemovals(store, onRemoval)
  server.answer({
    readiness,
    store,
    changes: readOnly ? undefined : changes,
    accessControl: authority?.accessControl,
    others: authority?.others,
  })
  const rest = opened.move()
  return {
    address,
    stop: async ({graceMs = STOP_GRACE_MS} = {}) => {
      await server.close({graceMs})
      await rest.disposeAsync()
    },
  }
}

/** Other programs write into the store, and deletions make room: what there is is measured again. */
async function purgeAndMeasure(store: FilesystemStore, quota: Quota | undefined, call: PurgeOptions): Promise<void> {
  await store.purgeStaleUploads(call)
  quota?.measured(await store.measureUsedBytes(call))
}

/** A directory that cannot be read serves nothing; one that takes no more still serves what is in it. */
export function diskCheck(store: Pick<FilesystemStore, 'health'>, {readOnly}: {readonly readOnly: boolean}): HealthCheck {
  return async () => {
    const {isReadable, isWritable, isFull} = await store.health()
    if (readOnly) return {isReady: isReadable}
    return {
      isReady: isReadable,
      degraded: [...(isFull ? (['disk full'] as const) : []), ...(isWritable ? [] : (['disk read-only'] as const))],
    }
  }
}
