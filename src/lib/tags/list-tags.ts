/** The tags of a repository: what each names, how large and how old that is, and which tags name the same. */
import {inspectImage} from '../caching/inspect-image.ts'
import type {CallOptions, SourceStore} from '../content/store.ts'
import {awaitedLater} from '../core/awaited-later.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import type {Reference, Tag} from '../oci/reference.ts'
import {SMALL_REQUEST_CONCURRENCY} from '../transfer/limits.ts'

export interface ListedTag {
  readonly tag: Tag
  readonly digest: Digest
  readonly mediaType: string
  /** Every blob once, over all platforms. Absent, as what follows is, where the manifest is of a kind that nobody here reads. */
  readonly sizeBytes?: number
  /** `os/arch[/variant]` */
  readonly platforms?: readonly string[]
  /** Builds of Windows that the images are for. */
  readonly osVersions?: readonly string[]
  /** ISO 8601: when the newest of the images was built, as it says itself. */
  readonly createdAt?: string
  /** Other tags with the same digest. */
  readonly siblings: readonly Tag[]
}

/** A repository, by registry and name. */
export type RepositoryReference = Pick<Reference, 'registry' | 'repository'>

/**
 * Lists the tags, newest image first; of the same age by name. A tag that goes away meanwhile is left out.
 * @throws {HoldfastError} REPOSITORY_NOT_FOUND when there is no such repository, or it has no tag.
 */
export async function listTags(
  repository: RepositoryReference,
  store: SourceStore,
  options: CallOptions = {},
): Promise<readonly ListedTag[]> {
  const tags = await statTags(repository, store, options)
  if (tags.length === 0) {
    throw new HoldfastError('REPOSITORY_NOT_FOUND', `cannot list tags of "${repository.registry}/${repository.repository}": it has none`)
  }
  const lane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  const images = new Map(
    [...new Set(tags.map(({digest}) => digest))].map((digest) => [digest, lane.run(() => inspect(repository, digest, store, options))]),
  )
  const listed = tags.map(async ({tag, digest, mediaType}): Promise<ListedTag> => {
    const siblings = tags.filter((other) => other.digest === digest && other.tag !== tag).map((other) => other.tag)
    return {tag, digest, mediaType, ...(await images.get(digest)), siblings}
  })
  return (await Promise.all(listed)).sort(byAge)
}

/** A tag and the manifest that it names. */
export interface TaggedManifest {
  readonly tag: Tag
  readonly digest: Digest
  readonly mediaType: string
}

/** What each tag names, in the registry's order, after one HEAD each. */
export async function statTags(
  {repository}: RepositoryReference,
  store: SourceStore,
  options: CallOptions = {},
): Promise<readonly TaggedManifest[]> {
  const lane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  const asked: Promise<readonly TaggedManifest[]>[] = []
  for await (const tag of store.listTags(repository, options)) {
    const stat = lane.run(async () => {
      const found = await store.statManifest(repository, tag, options)
      return found === undefined ? [] : [{tag, digest: found.digest, mediaType: found.mediaType}]
    })
    // The next page is read meanwhile, and may fail.
    asked.push(awaitedLater(stat))
  }
  return (await Promise.all(asked)).flat()
}

async function inspect(
  repository: RepositoryReference,
  digest: Digest,
  store: SourceStore,
  options: CallOptions,
): Promise<Pick<ListedTag, 'sizeBytes' | 'platforms' | 'osVersions' | 'createdAt'>> {
  try {
    const {sizeBytes, platforms, manifests} = await inspectImage({...repository, digest}, store, options)
    const newest = manifests
      .flatMap(({created}) => created ?? [])
      .sort()
      .at(-1)
    const osVersions = [...new Set(manifests.flatMap(({osVersion}) => osVersion ?? []))]
    return {sizeBytes, platforms, ...(osVersions.length === 0 ? {} : {osVersions}), ...(newest === undefined ? {} : {createdAt: newest})}
  } catch (error) {
    if (hasCode(error, 'INVALID_MANIFEST', 'MANIFEST_NOT_FOUND', 'BLOB_NOT_FOUND', 'INTEGRITY', 'GRAPH_TOO_DEEP')) return {}
    throw error
  }
}

function byAge(a: ListedTag, b: ListedTag): number {
  const [ageA, ageB] = [a.createdAt ?? '', b.createdAt ?? '']
  if (ageA !== ageB) return ageA < ageB ? 1 : -1
  return a.tag < b.tag ? -1 : 1
}
