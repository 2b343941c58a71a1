/** Takes a whole image out of a mirror, and leaves everything that its other images need. */

import type {Digest} from '../../../oci/digest.ts'
import {type KeptImage, keptImagesOf} from '../kept-images.ts'
import type {KeptStore, KeptUsage} from './kept-store.ts'

/** @returns the bytes that the disk has again. */
export async function removeImage(kept: KeptStore, image: KeptImage): Promise<number> {
  const others = (await keptImagesOf(kept, image.repository)).filter(({digest}) => digest !== image.digest)
  const needed = new Set<Digest>(others.flatMap(({manifests, blobs}) => [...manifests, ...blobs.keys()]))
  const isFree = (digest: Digest): boolean => !needed.has(digest)
  return await kept.remove(image.repository, {
    tags: image.tags,
    manifests: image.manifests.filter(isFree),
    blobs: [...image.blobs.keys()].filter(isFree),
  })
}

/** When a client was last served something of an image that no other image of its repository has, in ms since the epoch. */
export async function lastUsedMs(usage: Pick<KeptUsage, 'lastUsedMs'>, {repository, manifests, ownBlobs}: KeptImage): Promise<number> {
  const times = await Promise.all([...manifests, ...ownBlobs].map((digest) => usage.lastUsedMs(repository, digest)))
  return Math.max(0, ...times.filter((time) => time !== undefined))
}
