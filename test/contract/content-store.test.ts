import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createFilesystemStore, type FilesystemStore} from '../../src/lib/content/filesystem/store.ts'
import {createOciLayoutStore, type OciLayoutStore} from '../../src/lib/content/oci-layout/store.ts'
import {type ContractFactory, describeContentStore, type StoreUnderContract} from './content-store.ts'

function inTemporaryDirectory(create: (directory: string) => FilesystemStore | OciLayoutStore): Pick<ContractFactory, 'open' | 'close'> {
  const opened = new Map<StoreUnderContract, {readonly store: FilesystemStore | OciLayoutStore; readonly directory: string}>()
  return {
    open: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'holdfast-contract-'))
      const store = create(directory)
      opened.set(store, {store, directory})
      return store
    },
    close: async (key) => {
      const entry = opened.get(key)
      await entry?.store.close()
      if (entry !== undefined) await rm(entry.directory, {recursive: true})
    },
  }
}

describeContentStore('the filesystem store', {
  ...inTemporaryDirectory((directory) => createFilesystemStore({root: join(directory, 'registry')})),
})
describeContentStore('the OCI layout store', {
  ...inTemporaryDirectory((directory) => createOciLayoutStore({directory: join(directory, 'layout')})),
  hasRepositories: false,
})
