/** The images that a mirror keeps: what its tags name, and manifests that neither a tag nor another manifest names. */
import {hasCode} from '../../core/errors.ts'
import type {Digest} from '../../oci/digest.ts'
import {childManifests, type Manifest, parseManifest, requiredBlobs} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {KeptStore} from './eviction/kept-store.ts'

export interface KeptImage {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Empty for an image that clients can pull by digest only. */
  readonly tags: readonly Tag[]
  /** The manifests that the mirror has of it, the image's own first. */
  readonly manifests: readonly Digest[]
  /** The blobs that the mirror has of it, with their sizes in bytes. */
  readonly blobs: ReadonlyMap<Digest, number>
  /** Of these blobs those that no other image of the repository has. */
  readonly ownBlobs: readonly Digest[]
  /** Bytes of these manifests and blobs. */
  readonly sizeBytes: number
  /** Manifests of an index that no client has asked for. */
  readonly missingPlatforms: number
  /** Whether the mirror has every blob of the manifests that it has, and at least one of an index. */
  readonly isComplete: boolean
}

interface HeldManifest {
  readonly sizeBytes: number
  readonly children: readonly Digest[]
  readonly blobs: readonly Digest[]
  /** Its bytes do not have its digest. */
  readonly isDamaged: boolean
}

/** Reads the manifests of every repository, one repository at a time. @throws {HoldfastError} what reading the store throws; INTERRUPTED. */
export async function* listKeptImages(kept: KeptStore, signal?: AbortSignal): AsyncGenerator<KeptImage, void, undefined> {
  for await (const repository of kept.listRepositories()) {
    signal?.throwIfAborted()
    yield* await keptImagesOf(kept, repository, signal)
  }
}

/** The images of one repository. */
export async function keptImagesOf(kept: KeptStore, repository: RepositoryName, signal?: AbortSignal): Promise<readonly KeptImage[]> {
  const tags = new Map<Digest, Tag[]>()
  for await (const tag of kept.listTags(repository)) {
    signal?.throwIfAborted()
    const digest = await ignoringDamage(async () => (await kept.statManifest(repository, tag))?.digest)
    if (digest !== undefined) tags.set(digest, [...(tags.get(digest) ?? []), tag])
  }
  const held = new Map<Digest, HeldManifest>()
  const waiting = [...tags.keys(), ...((await kept.listManifests?.(repository)) ?? [])]
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    signal?.throwIfAborted()
    if (held.has(digest)) continue
    const manifest = await readHeld(kept, repository, digest)
    if (manifest === undefined) continue
    held.set(digest, manifest)
    waiting.push(...manifest.children)
  }
  const named = new Set([...held.values()].flatMap(({children}) => children))
  const sizes = new Map<Digest, number | undefined>()
  const sizeOf = async (digest: Digest): Promise<number | undefined> => {
    if (!sizes.has(digest)) sizes.set(digest, await kept.statBlob(repository, digest))
    return sizes.get(digest)
  }
  const roots = [...held.keys()].filter((digest) => tags.has(digest) || !named.has(digest)).sort()
  const images = await Promise.all(roots.map((digest) => describe(repository, digest, tags.get(digest) ?? [], held, sizeOf)))
  const uses = new Map<Digest, number>()
  for (const {blobs} of images) for (const digest of blobs.keys()) uses.set(digest, (uses.get(digest) ?? 0) + 1)
  return images.map((image) => ({...image, ownBlobs: [...image.blobs.keys()].filter((digest) => uses.get(digest) === 1)}))
}

async function describe(
  repository: RepositoryName,
  digest: Digest,
  tags: readonly Tag[],
  held: ReadonlyMap<Digest, HeldManifest>,
  sizeOf: (digest: Digest) => Promise<number | undefined>,
): Promise<Omit<KeptImage, 'ownBlobs'>> {
  const manifests = new Set<Digest>([digest])
  const blobs = new Map<Digest, number>()
  let [sizeBytes, missingPlatforms, missingBlobs] = [0, 0, 0]
  let isDamaged = false
  // A set grows while it is walked, and holds each manifest once.
  for (const one of manifests) {
    const manifest = held.get(one)
    if (manifest === undefined) {
      manifests.delete(one)
      missingPlatforms++
      continue
    }
    sizeBytes += manifest.sizeBytes
    isDamaged ||= manifest.isDamaged
    for (const child of manifest.children) manifests.add(child)
    for (const blob of manifest.blobs) {
      const size = await sizeOf(blob)
      if (size === undefined) missingBlobs++
      else blobs.set(blob, size)
    }
  }
  for (const size of blobs.values()) sizeBytes += size
  const isIndex = (held.get(digest)?.children.length ?? 0) > 0
  const isComplete = !isDamaged && missingBlobs === 0 && (!isIndex || manifests.size > 1)
  return {repository, digest, tags, manifests: [...manifests], blobs, sizeBytes, missingPlatforms, isComplete}
}

/** Undefined for a manifest that the mirror does not have; one that cannot be understood, or is damaged, has no parts. */
async function readHeld(kept: KeptStore, repository: RepositoryName, digest: Digest): Promise<HeldManifest | undefined> {
  const raw = await ignoringDamage(async () => (await kept.readManifest(repository, digest)) ?? null)
  if (raw === null) return undefined
  if (raw === undefined) return {sizeBytes: 0, children: [], blobs: [], isDamaged: true}
  const manifest = await ignoringDamage(async (): Promise<Manifest> => parseManifest(raw))
  return {
    sizeBytes: raw.bytes.length,
    children: manifest?.kind === 'index' ? childManifests(manifest).map(({digest: child}) => child) : [],
    blobs: manifest === undefined ? [] : requiredBlobs(manifest).map(({digest: blob}) => blob),
    isDamaged: false,
  }
}

async function ignoringDamage<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (hasCode(error, 'INTEGRITY', 'INVALID_MANIFEST', 'UNSUPPORTED')) return undefined
    throw error
  }
}
