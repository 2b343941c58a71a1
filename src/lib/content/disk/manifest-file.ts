/** Manifests as files: they lie on the disk without their media type, which is therefore found in their own bytes. */
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError, hasCode, IntegrityError} from '../../core/errors.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, digestOf} from '../../oci/digest.ts'
import {childManifests, MAX_MANIFEST_BYTES, type Manifest, parseManifest, type RawManifest, requiredBlobs} from '../../oci/manifest.ts'
import {isForeignLayerType, MEDIA_TYPE} from '../../oci/media-types.ts'

/** The most parts of a manifest that are looked up at once. */
const LOOKUP_CONCURRENCY = 16
/** What may become a header: RFC 6838 §4.2, without parameters. */
const MEDIA_TYPE_SHAPE = /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/

/**
 * Reads a manifest; undefined when there is no such file, or when what is there is no manifest.
 * @throws {HoldfastError} INTEGRITY when the bytes do not have that digest.
 */
export async function readManifestFile(path: string, digest: Digest): Promise<RawManifest | undefined> {
  const bytes = await readManifestBytes(path)
  if (bytes === undefined) return undefined
  const actual = digestOf(bytes, digestAlgorithm(digest))
  if (actual !== digest) {
    throw new IntegrityError(`cannot trust manifest "${digest}": the bytes on the disk have digest ${actual}`, {
      details: {expected: digest, actual},
    })
  }
  const mediaType = findMediaType(bytes)
  return mediaType === undefined ? undefined : {mediaType, digest, bytes}
}

/** The sizes in bytes of what the repository holds; undefined for what it lacks. */
interface HeldParts {
  readonly blob: (digest: Digest) => Promise<number | undefined>
  readonly manifest: (digest: Digest) => Promise<number | undefined>
}

/**
 * Checks a manifest before it is stored: its digest is that of its bytes, everything it names is there, and has the size that its descriptor says. A subject may
 * be missing, since a referrer may be pushed first (distribution-spec 1.1 §Pushing Manifests with Subject); foreign layers may, since registries need not hold them.
 * @throws {HoldfastError} INTEGRITY; INVALID_MANIFEST for a descriptor with a wrong size too; BLOB_NOT_FOUND for a blob or manifest that is missing. The last
 * two name it in `details.digest`.
 */
export async function checkManifest(raw: RawManifest, sizeOf: HeldParts): Promise<Manifest> {
  const actual = digestOf(raw.bytes, digestAlgorithm(raw.digest))
  if (actual !== raw.digest) {
    throw new IntegrityError(`cannot store manifest "${raw.digest}": its bytes have digest ${actual}`, {
      details: {expected: raw.digest, actual},
    })
  }
  const manifest = parseManifest(raw)
  if (manifest.kind === 'index') {
    await checkParts(raw, 'manifest', childManifests(manifest), sizeOf.manifest)
    await checkParts(raw, 'blob', requiredBlobs(manifest), sizeOf.blob)
  } else await checkParts(raw, 'blob', [manifest.config, ...manifest.layers], sizeOf.blob)
  if (manifest.subject !== undefined) await checkParts(raw, 'subject', [manifest.subject], sizeOf.manifest)
  return manifest
}

async function checkParts(
  raw: RawManifest,
  what: 'blob' | 'manifest' | 'subject',
  parts: readonly Descriptor[],
  sizeOf: (digest: Digest) => Promise<number | undefined>,
): Promise<void> {
  const digests = [...new Set(parts.map(({digest}) => digest))]
  const sizes = new Map<Digest, number | undefined>()
  for (let from = 0; from < digests.length; from += LOOKUP_CONCURRENCY) {
    const some = digests.slice(from, from + LOOKUP_CONCURRENCY)
    await Promise.all(some.map(async (digest) => sizes.set(digest, await sizeOf(digest))))
  }
  for (const {digest, mediaType, size} of parts) {
    const actual = sizes.get(digest)
    if (actual === size || (actual === undefined && (what === 'subject' || isForeignLayerType(mediaType)))) continue
    const object = `cannot store manifest "${raw.digest}"`
    if (actual === undefined) {
      throw new HoldfastError('BLOB_NOT_FOUND', `${object}: the repository lacks ${what} ${digest}`, {
        details: {manifest: raw.digest, digest},
      })
    }
    throw new HoldfastError('INVALID_MANIFEST', `${object}: its descriptor of ${what} ${digest} says ${size} bytes, it has ${actual}`, {
      details: {manifest: raw.digest, digest, expected: size, actual},
    })
  }
}

/** The bytes of a file that may hold a manifest; undefined when there is none, it is no regular file, or it is larger than any manifest. */
export async function readManifestBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(path, {maxBytes: MAX_MANIFEST_BYTES})
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR') || hasCode(error, 'CONFIGURATION')) return undefined
    throw error
  }
}

/** The media type that a manifest declares, or else the one that its fields tell (image-spec 1.1 manifest.md, image-index.md). */
function findMediaType(bytes: Uint8Array): string | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes))
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null || !('schemaVersion' in json)) return undefined
  if ('mediaType' in json && typeof json.mediaType === 'string' && json.mediaType !== '') {
    return MEDIA_TYPE_SHAPE.test(json.mediaType) ? json.mediaType : undefined
  }
  if (json.schemaVersion === 1) return 'signatures' in json ? MEDIA_TYPE.dockerSchema1Signed : MEDIA_TYPE.dockerSchema1
  if ('manifests' in json) return MEDIA_TYPE.ociIndex
  return 'config' in json || 'layers' in json ? MEDIA_TYPE.ociManifest : undefined
}
