/** The tags of a repository: what each names, how large and how old that is, and which tags name the same. */
import {inspectImage} from '../caching/inspect-image.ts'
import type {CallOptions, SourceStore, ListTagsOptions as StoreListOptions} from '../content/store.ts'
import {awaitedLater} from '../core/awaited-later.ts'
import {type HoldfastError, hasCode} from '../core/errors.ts'
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

/** A tag that names nothing that can be read. */
export interface BrokenTag {
  readonly tag: Tag
  readonly reason: string
}

/** The tags of a repository. */
export interface TagListing {
  /** Newest image first; of the same age by name. */
  readonly tags: readonly ListedTag[]
  /** Tags beyond the limit: by name only, in lexical order. */
  readonly others: readonly Tag[]
  /** Names in the registry's list that are not valid tags: nothing can be asked by them. */
  readonly invalid: readonly string[]
  /** Tags in the registry's list of which the manifest cannot be read, by name. */
  readonly broken: readonly BrokenTag[]
  /** PARTIAL: why there may be more tags than these. */
  readonly incomplete: HoldfastError | undefined
}

export interface ListTagsOptions extends CallOptions {
  /** How many tags are looked up, which takes up to three requests each: the first of the registry's list. */
  readonly limit?: number | undefined
  /** Whether manifests and configs are read for sizes, platforms and ages. The default; otherwise the tags come by name. */
  readonly withSizes?: boolean | undefined
}

/** Lists the tags; one whose manifest is gone or broken fails no other. A repository without tags has an empty list. */
export async function listTags(
  repository: RepositoryReference,
  store: SourceStore,
  {limit = Number.POSITIVE_INFINITY, withSizes = true, ...options}: ListTagsOptions = {},
): Promise<TagListing> {
  const others: Tag[] = []
  const invalid: string[] = []
  let incomplete: HoldfastError | undefined
  const firstTags = async function* (): AsyncGenerator<Tag> {
    let count = 0
    try {
      for await (const tag of store.listTags(repository.repository, {...options, onInvalid: (name) => void invalid.push(name)})) {
        if (++count > limit) others.push(tag)
        else yield tag
      }
    } catch (error) {
      if (!hasCode(error, 'PARTIAL')) throw error
      incomplete = error
    }
  }
  const broken: BrokenTag[] = []
  const tags = await statEach(firstTags(), repository, store, options, (tag, error) => {
    if (error === undefined) broken.push({tag, reason: 'its manifest is gone'})
    else if (isOfManifest(error) || hasCode(error, 'UNSUPPORTED')) broken.push({tag, reason: error.message})
    else throw error
  })
  const images = withSizes
    ? inspectEach(
        repository,
        tags.map(({digest}) => digest),
        store,
        options,
      )
    : new Map<Digest, undefined>()
  const sameDigest = Map.groupBy(tags, ({digest}) => digest)
  const listed = tags.map(async ({tag, digest, mediaType}): Promise<ListedTag> => {
    const siblings = (sameDigest.get(digest) ?? []).flatMap((other) => (other.tag === tag ? [] : [other.tag]))
    return {tag, digest, mediaType, ...(await images.get(digest)), siblings}
  })
  return {
    tags: (await Promise.all(listed)).sort(byAge),
    others,
    invalid,
    broken: broken.sort((a, b) => (a.tag < b.tag ? -1 : 1)),
    incomplete,
  }
}

/** The sizes in bytes of images of a repository, every blob once; without those whose manifest is gone or cannot be read. */
export async function sizesOfImages(
  repository: RepositoryReference,
  digests: readonly Digest[],
  store: SourceStore,
  options: CallOptions = {},
): Promise<ReadonlyMap<Digest, number>> {
  const sizes = new Map<Digest, number>()
  for (const [digest, inspected] of inspectEach(repository, digests, store, options)) {
    const {sizeBytes} = await inspected
    if (sizeBytes !== undefined) sizes.set(digest, sizeBytes)
  }
  return sizes
}

/** A tag and the manifest that it names. */
export interface TaggedManifest {
  readonly tag: Tag
  readonly digest: Digest
  readonly mediaType: string
}

/** What each tag names, in the registry's order, after one HEAD each, of which at most `SMALL_REQUEST_CONCURRENCY` run at once. */
export async function statTags(
  reference: RepositoryReference,
  store: SourceStore,
  options: CallOptions & Pick<StoreListOptions, 'onInvalid'> = {},
): Promise<readonly TaggedManifest[]> {
  return await statEach(store.listTags(reference.repository, options), reference, store, options)
}

async function statEach(
  tags: AsyncIterable<Tag>,
  {repository}: RepositoryReference,
  store: SourceStore,
  options: CallOptions,
  onBroken?: (tag: Tag, error?: unknown) => void,
): Promise<readonly TaggedManifest[]> {
  const lane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  const asked: Promise<readonly TaggedManifest[]>[] = []
  for await (const tag of tags) {
    const stat = lane.run(async () => {
      try {
        const found = await store.statManifest(repository, tag, options)
        if (found !== undefined) return [{tag, digest: found.digest, mediaType: found.mediaType}]
        onBroken?.(tag)
      } catch (error) {
        if (onBroken === undefined) throw error
        onBroken(tag, error)
      }
      return []
    })
    // The next page is read meanwhile, and may fail.
    asked.push(awaitedLater(stat))
  }
  return (await Promise.all(asked)).flat()
}

type Inspected = Pick<ListedTag, 'sizeBytes' | 'platforms' | 'osVersions' | 'createdAt'>

function inspectEach(
  repository: RepositoryReference,
  digests: readonly Digest[],
  store: SourceStore,
  options: CallOptions,
): ReadonlyMap<Digest, Promise<Inspected>> {
  const lane = new Lane(() => SMALL_REQUEST_CONCURRENCY)
  return new Map([...new Set(digests)].map((digest) => [digest, awaitedLater(lane.run(() => inspect(repository, digest, store, options)))]))
}

async function inspect(repository: RepositoryReference, digest: Digest, store: SourceStore, options: CallOptions): Promise<Inspected> {
  try {
    const {sizeBytes, platforms, manifests} = await inspectImage({...repository, digest}, store, options)
    const newest = manifests
      .flatMap(({created}) => created ?? [])
      .sort()
      .at(-1)
    const osVersions = [...new Set(manifests.flatMap(({osVersion}) => osVersion ?? []))]
    return {sizeBytes, platforms, ...(osVersions.length === 0 ? {} : {osVersions}), ...(newest === undefined ? {} : {createdAt: newest})}
  } catch (error) {
    if (isOfManifest(error)) return {}
    throw error
  }
}

/** What is wrong with one manifest, and not with its registry. */
function isOfManifest(error: unknown): error is HoldfastError {
  return hasCode(error, 'INVALID_MANIFEST', 'MANIFEST_NOT_FOUND', 'BLOB_NOT_FOUND', 'INTEGRITY', 'GRAPH_TOO_DEEP')
}

function byAge(a: ListedTag, b: ListedTag): number {
  const [ageA, ageB] = [a.createdAt ?? '', b.createdAt ?? '']
  if (ageA !== ageB) return ageA < ageB ? 1 : -1
  return a.tag < b.tag ? -1 : 1
}
