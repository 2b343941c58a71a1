/**
 * The manifest graph of one image, read from its source: manifests with children before parents, and the digests seen on the way. Depth and count are bounded and
 * cycles end at what was seen, so that no source can keep us busy for ever (GHSA-298f-872v-2rcx).
 */
import type {ManifestReader} from '../content/store.ts'
import {HoldfastError, interrupted, TransferError} from '../core/errors.ts'
import type {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import {type IndexManifest, type Manifest, parseManifest, type RawManifest} from '../oci/manifest.ts'
import {isImageManifestType, isIndexType} from '../oci/media-types.ts'
import {formatReference, type Reference, type RepositoryName, type Tag} from '../oci/reference.ts'
import {MAX_GRAPH_MANIFESTS, MAX_INDEX_DEPTH} from './limits.ts'

/** Where the manifests of an image are read. */
export interface GraphSource {
  readonly store: ManifestReader
  readonly repository: RepositoryName
}

/** Counts the manifests of one image, so that the bound holds over indexes and referrers together. */
export class GraphBudget {
  readonly seen = new Set<Digest>()

  /** Answers whether the digest is new. @throws {HoldfastError} GRAPH_TOO_DEEP when there are too many. */
  enter(digest: Digest): boolean {
    if (this.seen.has(digest)) return false
    this.seen.add(digest)
    if (this.seen.size > MAX_GRAPH_MANIFESTS) {
      throw new HoldfastError('GRAPH_TOO_DEEP', `cannot copy "${digest}": the image has more than ${MAX_GRAPH_MANIFESTS} manifests`)
    }
    return true
  }
}

/**
 * Reads one manifest from the source.
 * @throws {TransferError} with side `source`: MANIFEST_NOT_FOUND, INVALID_MANIFEST, INTEGRITY, and whatever the registry answers.
 */
export async function readSourceManifest(
  source: GraphSource,
  reference: Tag | Digest,
  image: Reference,
  lane: Lane,
  signal?: AbortSignal,
): Promise<Manifest> {
  return parseManifest(await readSourceRaw(source, reference, image, lane, signal))
}

async function readSourceRaw(
  source: GraphSource,
  reference: Tag | Digest,
  image: Reference,
  lane: Lane,
  signal?: AbortSignal,
): Promise<RawManifest> {
  if (signal?.aborted) throw interrupted()
  const raw = await lane.run(() => atSource(image, source.store.readManifest(source.repository, reference, signal ? {signal} : {})))
  if (raw !== undefined) return raw
  const missing = reference === image.tag || reference === image.digest ? '' : `, which names ${reference}`
  throw atSourceError(
    image,
    new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${formatReference(image)}"${missing}: ${image.registry} has no such manifest`, {
      hints: [
        `holdfast inspect ${formatReference({registry: image.registry, repository: image.repository})}:TAG  # check the name and the tag`,
      ],
      details: {registry: image.registry, repository: image.repository, reference},
    }),
  )
}

/**
 * The manifests below `root`, each once and every one after its own children; `root` itself is not among them. Children that are neither image nor index
 * (an index may name anything) are refused.
 */
export async function readChildren(
  root: IndexManifest,
  source: GraphSource,
  image: Reference,
  options: {
    readonly lane: Lane
    readonly budget: GraphBudget
    readonly signal?: AbortSignal | undefined
    readonly children?: IndexManifest['manifests']
  },
  depth = 1,
): Promise<readonly Manifest[]> {
  if (depth > MAX_INDEX_DEPTH) {
    throw new HoldfastError(
      'GRAPH_TOO_DEEP',
      `cannot copy "${formatReference(image)}": indexes are nested more than ${MAX_INDEX_DEPTH} deep`,
    )
  }
  const wanted = (options.children ?? root.manifests).filter((child) => {
    if (!isImageManifestType(child.mediaType) && !isIndexType(child.mediaType)) {
      throw new HoldfastError(
        'INVALID_MANIFEST',
        `cannot copy "${formatReference(image)}": its index names ${child.digest} of the unknown type ${child.mediaType}`,
      )
    }
    return options.budget.enter(child.digest)
  })
  const below = await Promise.all(
    wanted.map(async (child): Promise<readonly Manifest[]> => {
      const manifest = await readSourceManifest(source, child.digest, image, options.lane, options.signal)
      if (manifest.kind === 'image') return [manifest]
      const {children: _, ...inherited} = options
      return [...(await readChildren(manifest, source, image, inherited, depth + 1)), manifest]
    }),
  )
  return below.flat()
}

/** Marks whatever goes wrong in `work` as the source's. */
export async function atSource<T>(image: Reference, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw atSourceError(image, error)
  }
}

function atSourceError(image: Reference, error: unknown): unknown {
  return sideError('source', formatReference(image), error)
}

/** Marks an expected error with the side it happened at, and names the image unless it does; bugs, interruptions and errors that already have a side pass through. */
export function sideError(side: 'source' | 'target', name: string, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error instanceof TransferError || error.code === 'INTERRUPTED') return error
  const action = side === 'source' ? 'read' : 'write'
  const message = error.message.includes(`"${name}"`) ? error.message : `cannot ${action} "${name}": ${error.message}`
  return new TransferError(side, message, error)
}
