/** What a mirror keeps, for its operator: listing it, and removing an image from it. */
import type {KeptStore} from '../content/pull-through/eviction/kept-store.ts'
import {lastUsedMs, removeImage} from '../content/pull-through/eviction/remove-image.ts'
import {type KeptImage, keptImagesOf, listKeptImages} from '../content/pull-through/kept-images.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'

export interface ListedImage {
  /** `docker.io/library/alpine@sha256:…` */
  readonly image: string
  readonly tags: readonly string[]
  /** Bytes of its manifests and blobs; images may share blobs. */
  readonly sizeBytes: number
  /** When a client was last served something of it that no other image has; ISO 8601 in UTC. Absent where a registry keeps it. */
  readonly lastUsedAt?: string
  /** Whether the mirror can serve it without the upstream. */
  readonly isComplete: boolean
  /** Platforms of an index that no client has asked the mirror for. */
  readonly missingPlatforms: number
}

export interface EvictedImage {
  readonly image: string
  /** Every tag that named it. */
  readonly tags: readonly string[]
  /** Bytes that the disk has again; 0 where a registry keeps the images. */
  readonly freedBytes: number
}

interface Upstream {
  readonly name: string
}

/** By repository and digest. */
export async function listImages({name}: Upstream, kept: KeptStore, signal?: AbortSignal): Promise<readonly ListedImage[]> {
  const images: ListedImage[] = []
  for await (const image of listKeptImages(kept, signal)) {
    const {tags, sizeBytes, isComplete, missingPlatforms} = image
    const usedMs = kept.usage === undefined ? 0 : await lastUsedMs(kept.usage, image)
    const lastUsed = usedMs === 0 ? {} : {lastUsedAt: new Date(usedMs).toISOString()}
    images.push({image: nameOf(name, image), tags, sizeBytes, ...lastUsed, isComplete, missingPlatforms})
  }
  return images
}

/**
 * Removes the image that a tag or digest names, with every tag that names it; the upstream is not asked.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND, naming the image that a digest is part of; what removing from a registry throws.
 */
export async function evictImage(
  {name}: Upstream,
  kept: KeptStore,
  repository: RepositoryName,
  reference: Tag | Digest,
  signal?: AbortSignal,
): Promise<EvictedImage> {
  const images = await keptImagesOf(kept, repository, signal)
  const found = images.find(({digest, tags}) => digest === reference || tags.some((tag) => tag === reference))
  if (found === undefined) {
    const whole = images.find(({manifests}) => manifests.some((digest) => digest === reference))
    const separator = reference.includes(':') ? '@' : ':'
    const reason = whole === undefined ? 'the mirror does not have it' : 'it is part of another image'
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot evict "${name}/${repository}${separator}${reference}": ${reason}`, {
      hints: [
        whole === undefined
          ? shellCommand`holdfast mirror list --upstream ${name}`
          : shellCommand`holdfast mirror evict ${nameOf(name, whole)} --upstream ${name}`,
      ],
    })
  }
  const freedBytes = await removeImage(kept, found)
  return {image: nameOf(name, found), tags: found.tags, freedBytes}
}

function nameOf(upstream: string, {repository, digest}: KeptImage): string {
  return `${upstream}/${repository}@${digest}`
}
