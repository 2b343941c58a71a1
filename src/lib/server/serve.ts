/** The embedded registry as the `serve` command runs it: a server over the store in a data directory. */
import {createFilesystemStore} from '../content/filesystem/store.ts'
import {createRegistryServer, type ListenAddress, type RegistryServerOptions} from './registry-server.ts'
import type {ServerListener} from './server-events.ts'
import {startUploadPurge, type UploadPurge} from './upload-purge.ts'

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
  let purge: UploadPurge | undefined
  const server = createRegistryServer({
    store,
    changes: readOnly ? undefined : store,
    accessControl,
    others,
    tls,
    listener: (event) => {
      listener?.(event)
      if (event.type === 'failure') purge?.noteFailure(event.error)
    },
  })
  const address = await server.listen({host, port}).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  if (!readOnly) purge = startUploadPurge({purge: store.purgeStaleUploads, listener})
  return {
    address,
    stop: async ({graceMs = STOP_GRACE_MS} = {}) => {
      await server.close({graceMs})
      await purge?.stop()
      await store.close()
    },
  }
}
