/**
 * Manifests and indexes as values: parsed once at the edge, with the raw bytes kept, so that what is written elsewhere is
 * bit for bit what was read. Media type and content must agree (CVE-2021-41190).
 */
import {HoldfastError} from '../core/errors.ts'
import type {Descriptor} from './descriptor.ts'
import {type Digest, digestAlgorithm, digestOf, isDigest} from './digest.ts'
import {decodeJson} from './json.ts'
import {isBlobType, isForeignLayerType, isImageManifestType, isIndexType, MEDIA_TYPE} from './media-types.ts'
import type {Platform} from './platform.ts'

/** Registries refuse more than 4 MiB (distribution-spec 1.1 §Pushing Manifests). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Entries of one manifest beyond which it is refused. */
export const MAX_MANIFEST_ENTRIES = 10_000

/** A manifest as it travels: the exact bytes, their digest (computed by us) and their media type. */
export interface RawManifest {
  readonly mediaType: string
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** An image manifest, or an artifact in the form of one. */
export interface ImageManifest {
  readonly kind: 'image'
  readonly raw: RawManifest
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations: Readonly<Record<string, string>>
}

/** An index, or Docker's manifest list. */
export interface IndexManifest {
  readonly kind: 'index'
  readonly raw: RawManifest
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations: Readonly<Record<string, string>>
}

export type Manifest = ImageManifest | IndexManifest

/** The descriptor of a manifest as another one would name it. */
export function describeManifest(raw: RawManifest): Descriptor {
  return {mediaType: raw.mediaType, digest: raw.digest, size: raw.bytes.length}
}

/** Makes a raw manifest of bytes, hashing them. */
export function createRawManifest(mediaType: string, bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): RawManifest {
  return {mediaType, bytes, digest: digestOf(bytes, algorithm)}
}

/**
 * Checks bytes against the digest that was asked for: ours is computed, the peer's header is never believed (GHSA-qv35-3gw6-8q4j).
 * @throws {HoldfastError} INTEGRITY
 */
export function verifyManifest(raw: RawManifest, expected: Digest): RawManifest {
  const actual = digestAlgorithm(expected) === digestAlgorithm(raw.digest) ? raw.digest : digestOf(raw.bytes, digestAlgorithm(expected))
  if (actual !== expected) {
    throw new HoldfastError('INTEGRITY', `cannot trust manifest "${expected}": the bytes received have digest ${actual}`, {
      details: {expected, actual},
    })
  }
  return {...raw, digest: expected}
}

/**
 * Parses a manifest or index.
 * @throws {HoldfastError} INVALID_MANIFEST when the JSON is malformed, its `mediaType` contradicts the given one, it has the fields of both kinds, or a
 * descriptor lacks a valid digest or size; UNSUPPORTED for Docker's schema 1.
 */
export function parseManifest(raw: RawManifest): Manifest {
  if (raw.mediaType === MEDIA_TYPE.dockerSchema1 || raw.mediaType === MEDIA_TYPE.dockerSchema1Signed) {
    throw new HoldfastError('UNSUPPORTED', `cannot read manifest "${raw.digest}": Docker schema 1 images are no longer supported`, {
      hints: ['docker pull IMAGE && docker push IMAGE  # with a current docker, converts the image'],
    })
  }
  if (raw.bytes.length > MAX_MANIFEST_BYTES) fail(raw, `it has ${raw.bytes.length} bytes, more than ${MAX_MANIFEST_BYTES}`)
  const json = decodeObject(raw)
  if (json.mediaType !== undefined && json.mediaType !== raw.mediaType)
    fail(raw, `it says it is ${String(json.mediaType)} and was served as ${raw.mediaType}`)
  if (json.schemaVersion !== 2) fail(raw, 'schemaVersion is not 2')
  const index = isIndexType(raw.mediaType)
  if (!index && !isImageManifestType(raw.mediaType)) fail(raw, `its media type ${raw.mediaType} is none we know`)
  if (index ? json.layers !== undefined || json.config !== undefined : json.manifests !== undefined)
    fail(raw, 'it has the fields of an image and of an index')
  const common = {
    raw,
    ...(json.subject === undefined || json.subject === null ? {} : {subject: decodeDescriptor(json.subject, raw)}),
    ...(typeof json.artifactType === 'string' && json.artifactType !== '' ? {artifactType: json.artifactType} : {}),
    annotations: decodeStrings(json.annotations),
  }
  if (index) return {kind: 'index', ...common, manifests: decodeList(json.manifests, 'manifests', raw)}
  return {kind: 'image', ...common, config: decodeDescriptor(json.config, raw), layers: decodeList(json.layers, 'layers', raw)}
}

/** Indexes inside indexes. Real ones have one level; the image spec allows any. */
export const MAX_INDEX_DEPTH = 100

/**
 * The blobs that a manifest needs at the target, each digest once: of an image its config and then its layers, without foreign ones; of an index those that it names
 * beside manifests, as BuildKit's caches do.
 */
export function requiredBlobs(manifest: Manifest): readonly Descriptor[] {
  if (manifest.kind === 'index') return distinct(manifest.manifests.filter(({mediaType}) => isBlobType(mediaType)))
  return distinct([manifest.config, ...manifest.layers].filter(({mediaType}) => !isForeignLayerType(mediaType)))
}

/** The layers whose bytes registries need not hold, each digest once. */
export function foreignLayers(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'index' ? [] : distinct(manifest.layers.filter(({mediaType}) => isForeignLayerType(mediaType)))
}

/** What an index names, without blobs. */
export function childManifests(index: IndexManifest): readonly Descriptor[] {
  return index.manifests.filter(({mediaType}) => !isBlobType(mediaType))
}

function distinct(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const seen = new Map<Digest, Descriptor>()
  for (const one of descriptors) if (!seen.has(one.digest)) seen.set(one.digest, one)
  return [...seen.values()]
}

/** What a referrers answer says about one manifest (distribution-spec 1.1 §Listing Referrers). */
export function describeReferrer(manifest: Manifest): Descriptor {
  const artifactType = manifest.artifactType ?? (manifest.kind === 'image' ? manifest.config.mediaType : undefined)
  return {
    ...describeManifest(manifest.raw),
    ...(artifactType === undefined ? {} : {artifactType}),
    ...(Object.keys(manifest.annotations).length === 0 ? {} : {annotations: manifest.annotations}),
  }
}

type JsonObject = Readonly<Record<string, unknown>>

function fail(raw: RawManifest, reason: string): never {
  throw new HoldfastError('INVALID_MANIFEST', `cannot read manifest "${raw.digest}": ${reason}`, {
    details: {digest: raw.digest, mediaType: raw.mediaType},
  })
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decodeObject(raw: RawManifest): JsonObject {
  const json = decodeJson(raw.bytes)
  if ('reason' in json) fail(raw, json.reason)
  if (!isObject(json.value)) fail(raw, 'it is not a JSON object')
  return json.value
}

function decodeList(value: unknown, name: string, raw: RawManifest): readonly Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) fail(raw, `${name} is not a list`)
  if (value.length > MAX_MANIFEST_ENTRIES) fail(raw, `${name} has ${value.length} entries, more than ${MAX_MANIFEST_ENTRIES}`)
  return value.map((entry: unknown) => decodeDescriptor(entry, raw))
}

function decodeDescriptor(value: unknown, raw: RawManifest): Descriptor {
  if (!isObject(value)) fail(raw, 'a descriptor is missing or not an object')
  const {digest, size, mediaType} = value
  if (typeof digest !== 'string' || !isDigest(digest)) fail(raw, `a descriptor has the digest ${JSON.stringify(digest)?.slice(0, 100)}`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    fail(raw, `the descriptor of ${digest} has the size ${JSON.stringify(size)}`)
  if (typeof mediaType !== 'string') fail(raw, `the descriptor of ${digest} has no media type`)
  const annotations = decodeStrings(value.annotations)
  return {
    mediaType,
    digest,
    size,
    ...(typeof value.artifactType === 'string' ? {artifactType: value.artifactType} : {}),
    ...(Object.keys(annotations).length === 0 ? {} : {annotations}),
    ...(isObject(value.platform) ? {platform: decodePlatform(value.platform)} : {}),
    ...(Array.isArray(value.urls) ? {urls: value.urls.filter((url): url is string => typeof url === 'string')} : {}),
  }
}

function decodePlatform(value: JsonObject): Platform {
  const text = (name: string): string | undefined => {
    const part = value[name]
    return typeof part === 'string' && part !== '' ? part : undefined
  }
  const variant = text('variant')
  const osVersion = text('os.version')
  return {
    os: text('os') ?? 'unknown',
    architecture: text('architecture') ?? 'unknown',
    ...(variant === undefined ? {} : {variant}),
    ...(osVersion === undefined ? {} : {osVersion}),
  }
}

function decodeStrings(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
