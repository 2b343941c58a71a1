/** Where a mirror keeps what it has: a disk of its own, or a registry that several mirrors share. */
import type {HoldfastError} from '../../core/errors.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {GrowingFile} from '../disk/growing-file.ts'
import type {FilesystemStore} from '../filesystem/store.ts'
import type {BlobSource, RepositoryLister, SourceStore} from '../store.ts'
import type {KeptStore} from './eviction/kept-store.ts'
import type {Journal} from './journal.ts'

/** Bytes that are not those of their digest any more. */
export interface Damage {
  readonly kind: 'manifest' | 'blob'
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Says what was found, and where the bytes are now. */
  readonly error: HoldfastError
}

export interface MirrorCache extends SourceStore, RepositoryLister {
  /** Other mirrors fill it too: what is missing may come without us. */
  readonly isShared: boolean
  /** What has to be remembered across a restart. */
  readonly journal: Journal
  /**
   * Brings a blob in from `source`, and tells `file` of its growth as long as there is a file that clients can read meanwhile.
   * @throws {HoldfastError} INTEGRITY when the bytes are not the blob's; nothing is then visible in the cache.
   */
  fillBlob(repository: RepositoryName, blob: BlobDescriptor, source: BlobSource, file: GrowingFile, signal: AbortSignal): Promise<void>
  /** Makes a manifest readable by its digest before its parts are there. */
  keepManifest(repository: RepositoryName, manifest: RawManifest): Promise<void>
  /** Told when an image is complete here: what the tag names from now on; with a digest, that nothing may clear it away. */
  settleManifest(repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest): Promise<void>
  /** Whether a blob of that size may be brought in that no client waits for. */
  hasRoom(sizeBytes: number): Promise<boolean>
  /** Has the listener told of damage, which is then out of use already. */
  readonly watchDamage?: (listener: (damage: Damage) => void) => void
  /** The same for listing and eviction. */
  readonly kept: KeptStore
  /** What can be done with the disk; absent for a registry. */
  readonly health?: FilesystemStore['health'] | undefined
  /** Removes what downloads left that were cut off. */
  readonly purgeStaleUploads?: FilesystemStore['purgeStaleUploads']
  close(): Promise<void>
}
