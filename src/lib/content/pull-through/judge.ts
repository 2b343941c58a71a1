/** Whether what an upstream sent as a manifest is one. A login page, an empty object or half a manifest with status 200 is kept nowhere, and no client gets it. */
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {decodeJson} from '../../oci/json.ts'
import {parseManifest, type RawManifest} from '../../oci/manifest.ts'
import {isImageManifestType, isIndexType, MEDIA_TYPE} from '../../oci/media-types.ts'

/** Whether a media type is one of manifests of today. */
export function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || isImageManifestType(mediaType)
}

/** @throws {HoldfastError} INVALID_MANIFEST */
export function judgeManifest(raw: RawManifest): void {
  if (isManifestType(raw.mediaType)) {
    parseManifest(raw)
    return
  }
  const json = decodeJson(raw.bytes)
  const value = 'reason' in json ? undefined : json.value
  const isObject = typeof value === 'object' && value !== null
  // Old images, which old clients can still use, and kinds of which we know nothing else.
  const isSchema1 = raw.mediaType === MEDIA_TYPE.dockerSchema1 || raw.mediaType === MEDIA_TYPE.dockerSchema1Signed
  if (isSchema1 && isObject && 'fsLayers' in value && Array.isArray(value.fsLayers)) return
  if (isObject && 'mediaType' in value && value.mediaType === raw.mediaType) return
  throw new HoldfastError('INVALID_MANIFEST', `it was served as "${raw.mediaType}" and is not a manifest`, {
    details: {digest: raw.digest, mediaType: raw.mediaType},
  })
}

/** The manifest as a value; undefined for what no client of today could use. */
export function readableManifest(raw: RawManifest): ReturnType<typeof parseManifest> | undefined {
  try {
    return parseManifest(raw)
  } catch (error) {
    if (hasCode(error, 'INVALID_MANIFEST', 'UNSUPPORTED')) return undefined
    throw error
  }
}
