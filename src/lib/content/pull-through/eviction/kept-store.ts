/** What a mirror keeps, for listing and eviction: it is read as it lies there, and is not served from here. */
import type {Digest} from '../../../oci/digest.ts'
import type {RepositoryName} from '../../../oci/reference.ts'
import type {KeptContent, RemovedParts} from '../../filesystem/kept-content.ts'
import type {FilesystemStore} from '../../filesystem/store.ts'
import type {RepositoryLister, SourceStore} from '../../store.ts'

export interface KeptStore extends RepositoryLister, Pick<SourceStore, 'listTags' | 'readManifest' | 'statManifest' | 'statBlob'> {
  /** The digests of all manifests of a repository; absent where only tags can be listed. */
  readonly listManifests?: ((repository: RepositoryName) => Promise<readonly Digest[]>) | undefined
  /**
   * Removes parts of a repository; what other repositories have stays. Returns the bytes that the disk has again.
   * @throws {HoldfastError} UNSUPPORTED by a registry that deletes nothing.
   */
  remove(repository: RepositoryName, parts: RemovedParts): Promise<number>
  /** When something was used, and how much there is; absent where a registry keeps the images. */
  readonly usage?: KeptUsage | undefined
}

export type KeptUsage = Pick<KeptContent, 'lastUsedMs' | 'markUsed' | 'measure' | 'readUsageTimes' | 'writeUsageTimes'>

export function keptOnDisk(disk: FilesystemStore): KeptStore & {readonly usage: KeptUsage} {
  const {listRepositories, listTags, listManifests, readManifest, statManifest, statBlob, keptContent} = disk
  return {
    listRepositories,
    listTags,
    listManifests,
    readManifest,
    statManifest,
    statBlob,
    remove: (repository, parts) => keptContent.remove(repository, parts),
    usage: keptContent,
  }
}
