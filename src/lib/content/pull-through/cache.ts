/** Where a mirror keeps what it has: a disk of its own, or a registry that several mirrors share. */
import type {Digest} from '../../oci/digest.ts'
import type {RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {FilesystemStore} from '../filesystem/store.ts'
import type {ContentStore, RepositoryLister, SourceStore} from '../store.ts'
import {type KeptStore, keptOnDisk} from './eviction/kept-store.ts'

export interface MirrorCache extends SourceStore, RepositoryLister, Pick<ContentStore, 'writeBlob'> {
  /** Other mirrors fill it too: what is missing may come without us. */
  readonly isShared: boolean
  /** Makes a manifest readable by its digest before its parts are there. */
  keepManifest(repository: RepositoryName, manifest: RawManifest): Promise<void>
  /** Told when an image is whole here: what the tag names from now on; with a digest, that nothing may clear it away. */
  settleManifest(repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest): Promise<void>
  /** The same for listing and eviction. */
  readonly kept: KeptStore
  /** What can be done with the disk; absent for a registry. */
  readonly health?: FilesystemStore['health'] | undefined
  /** Removes what downloads left that were cut off; absent where another server does that. */
  readonly purgeStaleUploads?: FilesystemStore['purgeStaleUploads']
  close(): Promise<void>
}

/**
 * A folder of this machine.
 * @param stores those of all upstreams of the mirror. Its clients may pull from every one, so that a blob is fetched once for all repositories and upstreams.
 */
export function createDiskCache(disk: FilesystemStore, stores: readonly FilesystemStore[] = []): MirrorCache {
  return {
    ...disk,
    isShared: false,
    kept: keptOnDisk(disk),
    writeBlob: async (repository, blob, source, options) =>
      (await disk.statBlob(repository, blob.digest)) === undefined && (await disk.adoptBlob(repository, blob, stores))
        ? 'mounted'
        : await disk.writeBlob(repository, blob, source, options),
    keepManifest: (repository, manifest) => disk.writeSparseManifest(repository, manifest.digest, manifest),
    settleManifest: (repository, reference, manifest) => disk.writeSparseManifest(repository, reference, manifest),
  }
}
