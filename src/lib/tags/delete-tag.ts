/**
 * Deleting one tag and leaving its siblings, which name the same manifest, alone (requirement L5). Three ways, the first that the registry offers:
 * 1. it deletes tags (distribution-spec 1.1 §Deleting tags);
 * 2. it deletes manifests only: the tag is moved to a manifest made for that end, and this one is deleted, which takes the tag along;
 * 3. the manifest itself is deleted, and every tag that names it with it: only when that is wanted.
 */
import {randomUUID} from 'node:crypto'
import type {CallOptions, ContentStore} from '../content/store.ts'
import {HoldfastError, hasCode, RegistryError} from '../core/errors.ts'
import {type Digest, digestOf} from '../oci/digest.ts'
import {createRawManifest, type RawManifest} from '../oci/manifest.ts'
import {MEDIA_TYPE} from '../oci/media-types.ts'
import {formatReference, type RegistryHost, type RepositoryName, type Tag} from '../oci/reference.ts'
import {statTags} from './list-tags.ts'

export interface TagReference {
  readonly registry: RegistryHost
  readonly repository: RepositoryName
  readonly tag: Tag
}

export interface DeletedTag {
  readonly reference: string
  /** What the tag named. */
  readonly digest: Digest
  /** Whether the manifest is gone as well, and every tag that named it. */
  readonly manifestDeleted: boolean
  /** Tags that were deleted along. */
  readonly siblings: readonly Tag[]
}

export interface DeleteTagOptions extends CallOptions {
  /** Asked when the tag cannot be deleted without its manifest: whether these tags may go with it. */
  readonly mayDelete: (siblings: readonly Tag[]) => Promise<boolean>
}

/** A manifest that no registry has. */
const ABSENT = digestOf(Buffer.from('no manifest has the digest of this sentence'))
const HTTP_BAD_REQUEST = 400

/**
 * Deletes a tag.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND; UNSUPPORTED when the registry deletes nothing, with nothing changed; CONFLICT when siblings would go along and may not;
 *   UNAUTHENTICATED, DENIED.
 */
export async function deleteTag(reference: TagReference, store: ContentStore, options: DeleteTagOptions): Promise<DeletedTag> {
  const {repository, tag} = reference
  const name = formatReference(reference)
  const found = await store.readManifest(repository, tag, options)
  if (found === undefined) {
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot delete "${name}": ${reference.registry} has no such tag`, {
      hints: [`holdfast tag list ${reference.registry}/${repository}`],
    })
  }
  const alone = {reference: name, digest: found.digest, manifestDeleted: false, siblings: []}
  if (await deletedByName(reference, store, options)) return alone
  await assertDeletes(reference, store, options)
  if (await deletedByReplacement(reference, found, store, options)) return alone
  const siblings = (await statTags(reference, store, options)).flatMap((other) =>
    other.digest === found.digest && other.tag !== tag ? [other.tag] : [],
  )
  if (siblings.length > 0 && !(await options.mayDelete(siblings))) {
    throw new HoldfastError(
      'CONFLICT',
      `cannot delete "${name}" alone: the registry deletes whole manifests, and ${siblings.join(', ')} name the same one`,
      {
        hints: [`holdfast tag delete ${name} --include-siblings   # deletes ${[tag, ...siblings].join(', ')}`],
        details: {digest: found.digest, siblings},
      },
    )
  }
  await store.deleteManifest(repository, found.digest, options)
  return {...alone, manifestDeleted: true, siblings}
}

/** False when the registry deletes no tags. */
async function deletedByName({repository, tag}: TagReference, store: ContentStore, options: CallOptions): Promise<boolean> {
  try {
    await store.deleteTag(repository, tag, options)
  } catch (error) {
    // A registry that knows only digests calls a tag a malformed one.
    if (hasCode(error, 'UNSUPPORTED') || (error instanceof RegistryError && error.httpStatus === HTTP_BAD_REQUEST)) return false
    throw error
  }
  return (await store.statManifest(repository, tag, {...options, isLikelyAbsent: true})) === undefined
}

/** Asks for the deletion of what is not there, so that nothing is changed at a registry where deleting is switched off. */
async function assertDeletes({registry, repository, tag}: TagReference, store: ContentStore, options: CallOptions): Promise<void> {
  try {
    await store.deleteManifest(repository, ABSENT, options)
  } catch (cause) {
    if (!hasCode(cause, 'UNSUPPORTED')) throw cause
    throw new HoldfastError(
      'UNSUPPORTED',
      `cannot delete "${registry}/${repository}:${tag}": deleting is switched off at ${registry}; nothing was changed`,
      {
        hints: ['REGISTRY_STORAGE_DELETE_ENABLED=true   # for docker-registry, or storage.delete.enabled in its configuration'],
        cause,
      },
    )
  }
}

/** False when the registry takes no such manifest; the tag is then where it was. */
async function deletedByReplacement(
  reference: TagReference,
  found: RawManifest,
  store: ContentStore,
  options: CallOptions,
): Promise<boolean> {
  const {repository, tag} = reference
  const placeholder = await writePlaceholder(reference, store, options)
  if (placeholder === undefined) return false
  try {
    await store.deleteManifest(repository, placeholder.digest, options)
    if ((await store.statManifest(repository, tag, {...options, isLikelyAbsent: true})) === undefined) return true
  } catch (error) {
    await store.writeManifest(repository, tag, found)
    throw error
  }
  await store.writeManifest(repository, tag, found)
  return false
}

/** Moves the tag to a manifest made for that; undefined when the registry refuses it. */
async function writePlaceholder(
  {repository, tag}: TagReference,
  store: ContentStore,
  options: CallOptions,
): Promise<RawManifest | undefined> {
  // Unlike every other one, so that no tag but this one goes with it.
  const config = Buffer.from(
    JSON.stringify({os: 'linux', architecture: 'amd64', rootfs: {type: 'layers', diff_ids: []}, config: {Labels: {deleted: randomUUID()}}}),
  )
  const blob = {digest: digestOf(config), size: config.length}
  const manifest = createRawManifest(
    MEDIA_TYPE.ociManifest,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: {mediaType: MEDIA_TYPE.ociConfig, ...blob},
        layers: [],
      }),
    ),
  )
  try {
    await store.writeBlob(
      repository,
      blob,
      async (sink, start) => {
        sink.write(config.subarray(start), () => {})
      },
      options,
    )
    await store.writeManifest(repository, tag, manifest, options)
  } catch (error) {
    if (hasCode(error, 'UNAUTHENTICATED', 'DENIED', 'UNSUPPORTED', 'INVALID_MANIFEST', 'CONFLICT')) return undefined
    throw error
  }
  return manifest
}
