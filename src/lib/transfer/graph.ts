/**
 * The manifest graph of one image, read from its source: manifests with children before parents, and the digests seen on the way. Depth and count are bounded and
 * cycles end at what was seen, so that no source can keep us busy for ever (GHSA-298f-872v-2rcx).
 */
import type {ManifestReader} from '../content/store.ts'
import {HoldfastError, interrupted, TransferError} from '../core/errors.ts'
import type {Lane} from '../core/lane.ts'
import {shellCommand} from '../core/shell.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import type {Digest} from '../oci/digest.ts'
import {childManifests, type IndexManifest, MAX_INDEX_DEPTH, type Manifest, parseManifest, type RawManifest} from '../oci/manifest.ts'
import {isBlobType, isImageManifestType, isIndexType} from '../oci/media-types.ts'
import {formatPlatform} from '../oci/platform.ts'
import {formatReference, type Reference, type RepositoryName, type Tag} from '../oci/reference.ts'
import {MAX_GRAPH_MANIFESTS} from './limits.ts'
import {ATTESTED_DIGEST, offeredPlatforms} from './platforms.ts'

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
      throw new HoldfastError('GRAPH_TOO_DEEP', `cannot read "${digest}": the image has more than ${MAX_GRAPH_MANIFESTS} manifests`)
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
  const raw = await readSourceRaw(source, reference, image, lane, signal)
  if (raw === undefined) throw notFound(image, reference)
  try {
    return parseManifest(raw)
  } catch (error) {
    throw atSourceError(image, error)
  }
}

async function readSourceRaw(
  source: GraphSource,
  reference: Tag | Digest,
  image: Reference,
  lane: Lane,
  signal?: AbortSignal,
): Promise<RawManifest | undefined> {
  if (signal?.aborted) throw interrupted()
  return await lane.run(() => atSource(image, source.store.readManifest(source.repository, reference, signal ? {signal} : {})))
}

function notFound(image: Reference, reference: Tag | Digest): unknown {
  const missing = reference === image.tag || reference === image.digest ? '' : `, which names ${reference}`
  return atSourceError(
    image,
    new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${formatReference(image)}"${missing}: ${image.registry} has no such manifest`, {
      hints: [listHint(image)],
      details: {registry: image.registry, repository: image.repository, reference},
    }),
  )
}

/** What lists the tags there are; a layout has no repository, and the directory stands for its registry. */
function listHint({registry, repository}: Reference): string {
  const directory = registry.startsWith('oci:') ? registry.slice('oci:'.length) : undefined
  if (directory === undefined) return `holdfast tag list ${registry}/${repository}  # check the name and the tag`
  return `${shellCommand`cat ${`${directory}/index.json`}`}  # names the tags`
}

/** Nexus and other proxies have indexes and not all that they name: attestations above all. */
function childNotFound(image: Reference, index: IndexManifest, child: Descriptor): unknown {
  const others = offeredPlatforms(index).filter((platform) => platform !== child.platform)
  const chosen = others.map(formatPlatform).join(',')
  return atSourceError(
    image,
    new HoldfastError(
      'MANIFEST_NOT_FOUND',
      `cannot read "${formatReference(image)}": its index names ${describeChild(child)}, and ${image.registry} does not have that manifest`,
      {
        hints: [
          `${shellCommand`holdfast inspect ${formatReference(image)}`}  # shows what is there and what is missing`,
          ...(chosen === '' ? [] : [`--platform ${chosen}  # copies these platforms; the digest changes`]),
        ],
        details: {registry: image.registry, repository: image.repository, reference: child.digest, index: index.raw.digest},
      },
    ),
  )
}

/** A manifest as a message names it: its digest, and what it is. */
function describeChild({digest, mediaType, platform, annotations}: Descriptor): string {
  const attested = annotations?.[ATTESTED_DIGEST]
  if (attested !== undefined) return `${digest} (an attestation of ${attested})`
  return `${digest} (${platform === undefined ? mediaType : formatPlatform(platform)})`
}

/** How the manifests below an index are read. */
export interface WalkOptions {
  readonly lane: Lane
  readonly budget: GraphBudget
  readonly signal?: AbortSignal | undefined
  /** Of the root: these alone instead of all. */
  readonly children?: readonly Descriptor[]
  /** Told of a child that the source does not have; returns whether the walk goes on without it. Absent: it does not. */
  readonly onMissing?: ((child: Descriptor) => boolean) | undefined
}

/**
 * The manifests below `root`, each once and every one after its own children; `root` itself is not among them. Children that are neither manifests nor blobs
 * (an index may name anything) are refused.
 * @throws {TransferError} with side `source`: GRAPH_TOO_DEEP, INVALID_MANIFEST, and what `readSourceManifest` throws.
 */
export async function readChildren(
  root: IndexManifest,
  source: GraphSource,
  image: Reference,
  options: WalkOptions,
): Promise<readonly Manifest[]> {
  return await atSource(image, readLevel(root, source, image, options, 1))
}

async function readLevel(
  root: IndexManifest,
  source: GraphSource,
  image: Reference,
  options: WalkOptions,
  depth: number,
): Promise<readonly Manifest[]> {
  if (depth > MAX_INDEX_DEPTH) {
    throw new HoldfastError(
      'GRAPH_TOO_DEEP',
      `cannot read "${formatReference(image)}": its indexes are nested more than ${MAX_INDEX_DEPTH} deep; one too many is ${root.raw.digest}`,
    )
  }
  const wanted = (options.children ?? childManifests(root)).filter((child) => {
    if (isBlobType(child.mediaType)) return false
    if (!isImageManifestType(child.mediaType) && !isIndexType(child.mediaType)) {
      throw new HoldfastError(
        'INVALID_MANIFEST',
        `cannot read "${formatReference(image)}": its index names ${child.digest} of the unknown type ${child.mediaType}`,
      )
    }
    return options.budget.enter(child.digest)
  })
  const below = await Promise.all(
    wanted.map(async (child): Promise<readonly Manifest[]> => {
      const raw = await readSourceRaw(source, child.digest, image, options.lane, options.signal)
      if (raw === undefined) {
        if (options.onMissing?.(child) === true) return []
        throw childNotFound(image, root, child)
      }
      const manifest = parseManifest(raw)
      if (manifest.kind === 'image') return [manifest]
      const {children: _, ...inherited} = options
      return [...(await readLevel(manifest, source, image, inherited, depth + 1)), manifest]
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
