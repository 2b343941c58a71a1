/** A store that tells what clients remove from it on purpose, so that it is not taken for damage. */
import type {CallOptions} from '../content/store.ts'
import type {Digest} from '../oci/digest.ts'
import {DEFAULT_TAG, type RepositoryName, type Tag} from '../oci/reference.ts'
import type {ServableStore} from './upload-sessions.ts'

/** Told of an image before it is removed: its manifest, or the tag `latest`, by which cached images are named. */
export type RemovalListener = (image: {readonly repository: RepositoryName; readonly digest: Digest}) => Promise<void>

/** The same store; a removal waits for the listener. */
export function tellRemovals<Store extends ServableStore>(store: Store, onRemoval: RemovalListener): Store {
  const tell = async (repository: RepositoryName, reference: Tag | Digest, options?: CallOptions): Promise<void> => {
    const named = await store.statManifest(repository, reference, options)
    if (named !== undefined) await onRemoval({repository, digest: named.digest})
  }
  return {
    ...store,
    async deleteManifest(repository: RepositoryName, digest: Digest, options?: CallOptions) {
      await tell(repository, digest, options)
      return await store.deleteManifest(repository, digest, options)
    },
    async deleteTag(repository: RepositoryName, tag: Tag, options?: CallOptions) {
      if (tag === DEFAULT_TAG) await tell(repository, tag, options)
      return await store.deleteTag(repository, tag, options)
    },
  }
}
