/** The embedded registry as the `serve` command runs it: a server over the store in a data directory. */
import {createFilesystemStore, type FilesystemStore} from '../content/filesystem/store.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions} from './registry-server.ts'
import type {ServerListener} from './server-events.ts'

/** How long running requests may go on after a stop was asked for. */
export const STOP_GRACE_MS = 10_000

export interface ServeOptions extends ListenAddress, Pick<RegistryServerOptions, 'accessControl' | 'others' | 'tls'> {
  /** The root of the store, in CNCF Distribution's layout; it need not exist yet. */
  readonly dataDirectory: string
  readonly readOnly?: boolean
  readonly listener?: ServerListener
}

export interface ServedRegistry {
  /** Where it listens, with the port that was taken. */
  readonly address: ListenAddress
  /** Stops the server and closes the store; `graceMs` is `STOP_GRACE_MS` unless said. */
  stop(options?: {readonly graceMs?: number}): Promise<void>
}

/**
 * Serves the store in a data directory.
 * @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION
 */
export async function serveRegistry(options: ServeOptions): Promise<ServedRegistry> {
  const {dataDirectory, host, port, readOnly = false, listener, accessControl, others, tls} = options
  const store = createFilesystemStore({root: dataDirectory})
  const server = createRegistryServer({
    store,
    changes: readOnly ? undefined : store,
    accessControl,
    others,
    tls,
    ...(listener === undefined ? {} : {listener}),
  })
  const address = await server.listen({host, port}).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  // Walks the whole store, which nobody should have to wait for.
  const purged = readOnly ? Promise.resolve() : purge(store, listener)
  return {
    address,
    stop: async ({graceMs = STOP_GRACE_MS} = {}) => {
      await server.close({graceMs})
      await purged
      await store.close()
    },
  }
}

async function purge(store: FilesystemStore, listener: ServerListener | undefined): Promise<void> {
  try {
    await store.purgeStaleUploads()
  } catch (error) {
    listener?.({type: 'failure', requestId: 'purge-stale-uploads', error})
  }
}
