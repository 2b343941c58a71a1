/** Takes a whole image out of a mirror, and leaves everything that its other images need. */

import type {Digest} from '../../../oci/digest.ts'
import type {KeptContent} from '../../filesystem/kept-content.ts'
import type {MirrorCache} from '../cache.ts'
import {type KeptImage, keptImagesOf} from '../kept-images.ts'

/** What eviction needs of the disk of a mirror. */
export type EvictableStore = Pick<KeptContent, 'lastUsedMs' | 'markUsed' | 'measure' | 'readUsageTimes' | 'writeUsageTimes'>

/** @returns the bytes that the disk has again. */
export async function removeImage(cache: MirrorCache, image: KeptImage): Promise<number> {
  const others = (await keptImagesOf(cache, image.repository)).filter(({digest}) => digest !== image.digest)
  const needed = new Set<Digest>(others.flatMap(({manifests, blobs}) => [...manifests, ...blobs.keys()]))
  const isFree = (digest: Digest): boolean => !needed.has(digest)
  return await cache.remove(image.repository, {
    tags: image.tags,
    manifests: image.manifests.filter(isFree),
    blobs: [...image.blobs.keys()].filter(isFree),
  })
}

/** When a client was last served something of an image that no other image of its repository has, in ms since the epoch. */
export async function lastUsedMs(disk: Pick<EvictableStore, 'lastUsedMs'>, {repository, manifests, ownBlobs}: KeptImage): Promise<number> {
  const times = await Promise.all([...manifests, ...ownBlobs].map((digest) => disk.lastUsedMs(repository, digest)))
  return Math.max(0, ...times.filter((time) => time !== undefined))
}
