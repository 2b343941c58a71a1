/** The port to one repository of a managed registry, opened with the collector's own rights there. Implementer: `cli/managed-repository.ts`. */
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import type {ManagedRegistry} from './objects.ts'

/** A tag as the registry has it now. */
export interface RegistryTag {
  readonly tag: Tag
  readonly digest: Digest
  /** Other tags that name the same digest. */
  readonly siblings: readonly Tag[]
}

interface DeletedRegistryTag {
  /** What the tag named. */
  readonly digest: Digest
  /** Whether the manifest is gone as well, and every tag that named it. */
  readonly manifestDeleted: boolean
  /** Tags that were deleted along. */
  readonly siblings: readonly Tag[]
}

export interface ManagedRepository {
  /** Tags that name a manifest, in the registry's order. @throws {HoldfastError} REPOSITORY_NOT_FOUND; whatever the registry fails with. */
  listTags(): Promise<readonly RegistryTag[]>
  /** Sizes in bytes of images, every blob once; without those that the registry does not have, or that cannot be read. */
  sizesOf(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>
  /**
   * Deletes a tag alone where the registry can; otherwise its manifest, if the siblings may go with it.
   * @throws {HoldfastError} MANIFEST_NOT_FOUND; CONFLICT with `details.siblings` when they would go along and may not; UNSUPPORTED; whatever the registry refuses with.
   */
  deleteTag(tag: Tag, options: {readonly includeSiblings: boolean}): Promise<DeletedRegistryTag>
  /** Deletes an image with every tag that names it; of several platforms, with their manifests. @throws {HoldfastError} as the registry refuses. */
  deleteImage(digest: Digest): Promise<void>
}

/** Opens a repository for what the collector does there itself. */
export type OpenManagedRepository = (registry: ManagedRegistry, repository: RepositoryName) => Promise<ManagedRepository>
