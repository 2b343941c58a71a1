/** Choosing some platforms of an image: which children of an index stay, and the smaller index that names only them. */
import {HoldfastError} from '../core/errors.ts'
import type {Descriptor} from '../oci/descriptor.ts'
import {createRawManifest, type IndexManifest, type RawManifest} from '../oci/manifest.ts'
import {formatPlatform, matchesPlatform, type Platform} from '../oci/platform.ts'
import type {MissingManifest} from './copy-job.ts'

/** BuildKit's attestations name the manifest they speak of in this annotation and have the platform unknown/unknown. */
export const ATTESTED_DIGEST = 'vnd.docker.reference.digest'

/** The platforms an index offers, attestations left out, in its order. */
export function offeredPlatforms(index: IndexManifest): readonly Platform[] {
  return index.manifests.flatMap((child) => (child.platform === undefined || child.platform.os === 'unknown' ? [] : [child.platform]))
}

/**
 * The children of an index that serve the wanted platforms, with the attestations of those children.
 * @throws {HoldfastError} PLATFORM_NOT_FOUND when one of the wanted platforms has no child; the message lists those there are.
 */
export function selectPlatforms(index: IndexManifest, wanted: readonly Platform[]): readonly Descriptor[] {
  for (const platform of wanted) {
    if (!index.manifests.some((child) => serves(child, platform)))
      throw platformNotFound(index.raw.digest, platform, offeredPlatforms(index))
  }
  const images = index.manifests.filter((child) => wanted.some((platform) => serves(child, platform)))
  const kept = new Set<string>(images.map((child) => child.digest))
  return index.manifests.filter((child) => kept.has(child.digest) || kept.has(child.annotations?.[ATTESTED_DIGEST] ?? ''))
}

/** The same index with only `children`: every other field and the order stay; the digest does not. */
export function trimIndex(index: IndexManifest, children: readonly Descriptor[]): RawManifest {
  const kept = new Set<string>(children.map((child) => child.digest))
  const json = JSON.parse(new TextDecoder().decode(index.raw.bytes)) as {manifests: readonly {readonly digest: string}[]}
  const trimmed = {...json, manifests: json.manifests.filter((child) => kept.has(child.digest))}
  return createRawManifest(index.raw.mediaType, new TextEncoder().encode(JSON.stringify(trimmed)))
}

/** As a report names a manifest that is not there. */
export function describeMissing({digest, mediaType, platform}: Descriptor): MissingManifest {
  return {digest, mediaType, ...(platform === undefined || platform.os === 'unknown' ? {} : {platform: formatPlatform(platform)})}
}

/** Says which platform is missing and which there are. */
export function platformNotFound(image: string, wanted: Platform, offered: readonly Platform[]): HoldfastError {
  const names = offered.map(formatPlatform)
  return new HoldfastError(
    'PLATFORM_NOT_FOUND',
    `cannot copy "${image}" for ${formatPlatform(wanted)}: it has ${names.join(', ') || 'no platforms'}`,
    {
      hints: names.slice(0, 3).map((name) => `--platform ${name}`),
      details: {wanted: formatPlatform(wanted), offered: names},
    },
  )
}

/** Tells whether an index names this manifest for what it says of another one. */
export function isAttestation({annotations, platform}: Descriptor): boolean {
  return annotations?.[ATTESTED_DIGEST] !== undefined || platform?.os === 'unknown'
}

function serves(child: Descriptor, wanted: Platform): boolean {
  return child.platform !== undefined && matchesPlatform(child.platform, wanted)
}
