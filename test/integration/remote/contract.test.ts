import {createRemoteStore, type RemoteStore} from '../../../src/lib/content/remote/store.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'
import {serveRegistry} from '../../../src/lib/server/serve.ts'
import {describeContentStore, type StoreUnderContract} from '../../contract/content-store.ts'
import {startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {storeFor} from './scripted-registry.ts'

describe('docker-registry through the remote store', () => {
  needs('docker-registry')
  const stops = new WeakMap<object, () => Promise<void>>()

  describeContentStore('a remote registry', {
    open: async () => {
      const registry = await startDockerRegistry()
      const http = createWireClient()
      const endpoint = {registry: registry.host as RegistryHost, plainHttp: 'always', tls: {}, capabilities: {}} as const
      const store = createRemoteStore({endpoint, http})
      const withoutTagDeletion = withoutDeletionByTag(store)
      stops.set(withoutTagDeletion, async () => {
        http.close()
        await registry.stop()
      })
      return withoutTagDeletion
    },
    close: async (store) => stops.get(store)?.(),
    hasSha512: false,
  })
})

describe('the embedded registry through the remote store', () => {
  const stops = new WeakMap<object, () => Promise<void>>()

  describeContentStore('a served directory', {
    open: async () => {
      const directory = await createTemporaryDirectory('served-contract')
      const served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0})
      const {store, close} = storeFor(`127.0.0.1:${served.address.port}`)
      stops.set(store, async () => {
        close()
        await served.stop({graceMs: 0})
        await directory.remove()
      })
      return store
    },
    close: async (store) => stops.get(store)?.(),
  })
})

/** docker-registry 2.8 deletes by digest only. */
function withoutDeletionByTag(store: RemoteStore): StoreUnderContract {
  return {
    get blobConcurrency() {
      return store.blobConcurrency
    },
    statBlob: (...call) => store.statBlob(...call),
    readBlob: (...call) => store.readBlob(...call),
    writeBlob: (...call) => store.writeBlob(...call),
    statManifest: (...call) => store.statManifest(...call),
    readManifest: (...call) => store.readManifest(...call),
    writeManifest: (...call) => store.writeManifest(...call),
    listTags: (...call) => store.listTags(...call),
    listReferrers: (...call) => store.listReferrers(...call),
    listRepositories: (...call) => store.listRepositories(...call),
    deleteManifest: (...call) => store.deleteManifest(...call),
    deleteBlob: (...call) => store.deleteBlob(...call),
  }
}
