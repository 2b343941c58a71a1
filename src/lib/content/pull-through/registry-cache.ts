/**
 * What a mirror has, kept in a registry: its replicas hold nothing themselves.
 *
 * A registry takes a manifest when all that it names is there, and a mirror has manifests before their layers, and indexes of which most platforms are never asked for. So a
 * manifest is first kept as a blob, which every registry takes, and becomes a manifest when it is whole. An index that never will be is what its tag names by a pointer: an
 * artifact whose one layer is the index (image-spec 1.1 §Guidelines for Artifact Usage).
 */
import {createHash} from 'node:crypto'
import {join} from 'node:path'
import {LRUCache} from 'lru-cache'
import type {ByteSink} from '../../core/byte-sink.ts'
import {HoldfastError, hasCode, IntegrityError} from '../../core/errors.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {type Digest, digestAlgorithm, isDigest} from '../../oci/digest.ts'
import {
  childManifests,
  createRawManifest,
  describeManifest,
  MAX_INDEX_DEPTH,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type RawManifest,
  requiredBlobs,
} from '../../oci/manifest.ts'
import {isImageManifestType, isIndexType, MEDIA_TYPE} from '../../oci/media-types.ts'
import {parseRepositoryName, type RepositoryName} from '../../oci/reference.ts'
import type {GrowingFile} from '../disk/growing-file.ts'
import {Spool} from '../disk/spool.ts'
import {readBlobBytes} from '../read-bytes.ts'
import type {RemoteStore} from '../remote/store.ts'
import type {BlobSource, WriteBlobOptions} from '../store.ts'
import type {Damage, MirrorCache} from './cache.ts'
import type {KeptStore} from './eviction/kept-store.ts'
import {createJournal} from './journal.ts'

const POINTER_TYPE = 'application/vnd.holdfast.mirror.pointer.v1+json'
const KEPT_MANIFEST_TYPE = 'application/vnd.holdfast.mirror.manifest.v1'
const MEDIA_TYPE_ANNOTATION = 'holdfast.mirror.media-type'
const EMPTY_CONFIG = Buffer.from('{}')
/** Manifests that were just read are wanted again: each layer's arrival asks for them. */
const MAX_REMEMBERED_BYTES = 16 * 1024 * 1024
const MAX_REMEMBERED = 10_000
/** What a registry has does not go away by itself: for so long what was there is believed to be, also after another process evicted it. */
const LIFE_MS = 60_000
/** For so long something that is damaged there is not asked for again. */
const DAMAGE_LIFE_MS = 60 * 60_000

export interface RegistryCacheOptions {
  readonly registry: RemoteStore
  /** Repositories of the mirror are below it: `mirror/docker.io`. */
  readonly prefix: RepositoryName
  /** A folder of this machine: for blobs that are on their way to the registry, and for what has to be remembered across a restart. It may be lost. */
  readonly scratchDirectory: string
  /** Where blobs are in the registry, for all upstreams of the mirror: clients may pull from every one, so that a blob is fetched once for all of them. */
  readonly locations?: LRUCache<Digest, RepositoryName> | undefined
}

/** Locations that caches may share. */
export function createLocations(): LRUCache<Digest, RepositoryName> {
  return new LRUCache({max: MAX_REMEMBERED})
}

export function createRegistryCache({
  registry,
  prefix,
  scratchDirectory,
  locations = createLocations(),
}: RegistryCacheOptions): MirrorCache {
  const spool = new Spool(join(scratchDirectory, 'spool'))
  const manifests = new LRUCache<string, RawManifest>({
    ttl: LIFE_MS,
    maxSize: MAX_REMEMBERED_BYTES,
    sizeCalculation: ({bytes}) => bytes.length + 1,
  })
  const blobs = new LRUCache<string, number>({max: MAX_REMEMBERED, ttl: LIFE_MS})
  const settled = new LRUCache<string, true>({max: MAX_REMEMBERED, ttl: LIFE_MS})
  const named = (repository: RepositoryName): RepositoryName => parseRepositoryName(`${prefix}/${repository}`)
  const keyOf = (repository: RepositoryName, digest: string): string => `${repository}@${digest}`
  const trusted = new LRUCache<string, true>({max: MAX_REMEMBERED})
  const damaged = new LRUCache<string, true>({max: MAX_REMEMBERED, ttl: DAMAGE_LIFE_MS})
  let onDamage: (damage: Damage) => void = () => {}

  /** What is damaged in a registry is the registry's to remove: until then it is not there for the mirror. */
  const report = (kind: Damage['kind'], repository: RepositoryName, digest: Digest, {message}: HoldfastError): void => {
    const key = keyOf(repository, digest)
    if (damaged.get(key) === true) return
    damaged.set(key, true)
    blobs.delete(key)
    const error = new IntegrityError(
      `cannot serve ${kind} "${digest}" from "${named(repository)}" of the registry that keeps it: ${message}`,
      {
        hints: ['delete it there, and run the garbage collection of that registry: it is then kept again'],
        details: {digest, repository: named(repository)},
      },
    )
    onDamage({kind, repository, digest, error})
  }

  const note = (repository: RepositoryName, raw: RawManifest): RawManifest => {
    manifests.set(keyOf(repository, raw.digest), raw)
    return raw
  }

  const statBlob: MirrorCache['statBlob'] = async (repository, digest, call) => {
    const key = keyOf(repository, digest)
    if (damaged.get(key) === true) return undefined
    const known = blobs.get(key)
    if (known !== undefined) return known
    const size = await registry.statBlob(named(repository), digest, {...call, isLikelyAbsent: true})
    if (size === undefined) return undefined
    blobs.set(key, size)
    locations.set(digest, named(repository))
    return size
  }

  const writeBlob = async (
    repository: RepositoryName,
    blob: BlobDescriptor,
    source: BlobSource,
    options?: WriteBlobOptions,
  ): Promise<void> => {
    await registry.writeBlob(named(repository), blob, source, options)
    blobs.set(keyOf(repository, blob.digest), blob.size)
    locations.set(blob.digest, named(repository))
  }

  /** Whether the registry made a blob of another repository part of this one. */
  const mount = async (repository: RepositoryName, blob: BlobDescriptor, signal: AbortSignal): Promise<boolean> => {
    const mountFrom = locations.get(blob.digest)
    if (mountFrom === undefined || mountFrom === named(repository)) return false
    let isRefused = false
    const refuse: BlobSource = async () => {
      isRefused = true
      throw new HoldfastError('BLOB_NOT_FOUND', `cannot mount "${blob.digest}" from "${mountFrom}"`)
    }
    try {
      await writeBlob(repository, blob, refuse, {mountFrom, signal})
      return true
    } catch (error) {
      if (!isRefused) throw error
      locations.delete(blob.digest)
      return false
    }
  }

  /** Into a file first, so that clients and the registry read behind the download, and none of them delays another. */
  const fillBlob: MirrorCache['fillBlob'] = async (repository, blob, source, file, signal) => {
    if (await mount(repository, blob, signal)) return
    const direct = () => writeBlob(repository, blob, source, {verify: true, signal})
    const opened = await spool.open(blob).catch(unlessStorage)
    // This machine has no room: clients get the blob when the registry has it.
    if (opened === undefined) return await direct()
    const received = opened.receive(source, file, signal).catch((failure: unknown) => {
      file.end({failure})
      throw failure
    })
    const written = writeBlob(repository, blob, sourceBehind(file, blob), {signal})
    const [download, upload] = await Promise.allSettled([received, written])
    if (download.status === 'rejected') {
      unlessStorage(download.reason)
      return await direct()
    }
    if (upload.status === 'rejected') throw upload.reason
  }

  const writeBytes = async (repository: RepositoryName, digest: Digest, bytes: Uint8Array): Promise<void> => {
    await writeBlob(repository, {digest, size: bytes.length}, sourceOf(bytes))
  }

  /** A manifest that is kept as a blob. */
  const readKept = async (repository: RepositoryName, digest: Digest, mediaType?: string): Promise<RawManifest | undefined> => {
    const size = await registry.statBlob(named(repository), digest, {isLikelyAbsent: true})
    if (size === undefined || size > MAX_MANIFEST_BYTES) return undefined
    const bytes = await readBlobBytes(registry, named(repository), {digest, size}, MAX_MANIFEST_BYTES)
    const type = mediaType ?? mediaTypeOf(bytes)
    return type === undefined ? undefined : note(repository, createRawManifest(type, bytes, digestAlgorithm(digest)))
  }

  const byDigest = async (repository: RepositoryName, digest: Digest, mediaType?: string): Promise<RawManifest | undefined> => {
    const known = manifests.get(keyOf(repository, digest))
    if (known !== undefined) return known
    try {
      const found = await registry.readManifest(named(repository), digest)
      return found === undefined ? await readKept(repository, digest, mediaType) : note(repository, found)
    } catch (error) {
      if (!hasCode(error, 'INTEGRITY')) throw error
      report('manifest', repository, digest, error)
      return undefined
    }
  }

  const readManifest: MirrorCache['readManifest'] = async (repository, reference, call) => {
    if (isDigest(reference)) return await byDigest(repository, reference)
    // What the tag names is asked for each time, its bytes once.
    const found = await registry.statManifest(named(repository), reference, {...call, isLikelyAbsent: true})
    if (found === undefined) return undefined
    const raw = await byDigest(repository, found.digest)
    const target = raw === undefined ? undefined : pointedAt(raw)
    return target === undefined ? raw : await byDigest(repository, target.digest, target.mediaType)
  }

  /** Makes a manifest of what was kept as a blob, children first; answers whether the registry has it now as a manifest. */
  const promote = async (repository: RepositoryName, raw: RawManifest, failed = new Set<Digest>(), depth = 0): Promise<boolean> => {
    const key = keyOf(repository, raw.digest)
    if (settled.get(key) === true) return true
    const manifest = parseManifest(raw)
    if (manifest.kind === 'index') {
      if (depth === MAX_INDEX_DEPTH || failed.has(raw.digest)) return false
      const sizes = await Promise.all(requiredBlobs(manifest).map(({digest}) => statBlob(repository, digest)))
      let isWhole = sizes.every((size) => size !== undefined)
      for (const child of childManifests(manifest)) {
        const kept = await byDigest(repository, child.digest, child.mediaType)
        if (kept === undefined || !(await promote(repository, kept, failed, depth + 1))) isWhole = false
      }
      if (!isWhole) failed.add(raw.digest)
      if (!isWhole) return false
    }
    try {
      await registry.writeManifest(named(repository), raw.digest, raw)
    } catch (error) {
      if (hasCode(error, 'NETWORK', 'TIMEOUT', 'REGISTRY_UNAVAILABLE', 'RATE_LIMITED', 'UNAUTHENTICATED', 'DENIED')) throw error
      // A registry that wants more than is here.
      return false
    }
    settled.set(key, true)
    return true
  }

  const remove: KeptStore['remove'] = async (repository, {tags, manifests: digests}) => {
    const here = named(repository)
    for (const tag of tags) {
      // A pointer has a digest of its own.
      const found = await registry.statManifest(here, tag, {isLikelyAbsent: true})
      if (found !== undefined) await registry.deleteManifest(here, found.digest)
    }
    for (const digest of digests) {
      await registry.deleteManifest(here, digest)
      if ((await registry.statBlob(here, digest, {isLikelyAbsent: true})) !== undefined) await registry.deleteBlob(here, digest)
      for (const known of [manifests, settled, blobs]) known.delete(keyOf(repository, digest))
    }
    // Layers go with the registry's own garbage collection.
    return 0
  }

  const served: Omit<MirrorCache, 'kept'> = {
    isShared: true,
    journal: createJournal(join(scratchDirectory, 'journal')),
    statBlob,
    fillBlob,
    // What a registry takes only it knows.
    hasRoom: async () => true,
    purgeStaleUploads: async () => {
      await spool.purge()
      return 0
    },
    readBlob: async (repository, blob, sink, call) => {
      const key = keyOf(repository, blob.digest)
      // A part cannot be verified; and what was whole a moment ago is so still.
      const isVerified = trusted.get(key) !== true && call?.range === undefined
      try {
        await registry.readBlob(named(repository), blob, isVerified ? verifyingSink(sink, blob) : sink, call)
        if (isVerified) trusted.set(key, true)
      } catch (error) {
        if (hasCode(error, 'BLOB_NOT_FOUND')) blobs.delete(key)
        if (hasCode(error, 'INTEGRITY')) report('blob', repository, blob.digest, error)
        throw error
      }
    },
    watchDamage: (listener) => {
      onDamage = listener
    },
    readManifest,
    statManifest: async (repository, reference, call) => {
      const raw = await readManifest(repository, reference, call)
      return raw === undefined ? undefined : describeManifest(raw)
    },
    keepManifest: async (repository, raw) => {
      await writeBytes(repository, raw.digest, raw.bytes)
      note(repository, raw)
    },
    settleManifest: async (repository, reference, raw) => {
      if (await promote(repository, raw)) {
        if (!isDigest(reference)) await registry.writeManifest(named(repository), reference, raw)
        return
      }
      // By its digest it is found without a pointer; but a registry clears away the blobs that no manifest names.
      const pointer = pointerTo(raw)
      await writeBytes(repository, raw.digest, raw.bytes)
      await writeBytes(repository, pointer.config, EMPTY_CONFIG)
      await registry.writeManifest(named(repository), isDigest(reference) ? pointer.raw.digest : reference, pointer.raw)
    },
    async *listTags(repository, call) {
      try {
        yield* registry.listTags(named(repository), call)
      } catch (error) {
        // It has blobs and no tag yet.
        if (!hasCode(error, 'REPOSITORY_NOT_FOUND')) throw error
      }
    },
    listReferrers: (repository, subject, call) => registry.listReferrers(named(repository), subject, call),
    async *listRepositories({signal, last, limit = Number.POSITIVE_INFINITY} = {}) {
      const from = last === undefined ? {} : {last: `${prefix}/${last}`}
      let left = limit
      for await (const repository of registry.listRepositories({...from, ...(signal === undefined ? {} : {signal})})) {
        if (!repository.startsWith(`${prefix}/`)) continue
        if (left-- <= 0) return
        yield parseRepositoryName(repository.slice(prefix.length + 1))
      }
    },
    close: () => spool.close(),
  }
  const {statManifest, listTags, listRepositories} = served
  return {...served, kept: {statBlob, readManifest, statManifest, listTags, listRepositories, remove}}
}

/** What a pointer points at; undefined for a manifest that is none. */
function pointedAt(raw: RawManifest): {readonly digest: Digest; readonly mediaType: string} | undefined {
  if (raw.mediaType !== MEDIA_TYPE.ociManifest) return undefined
  const manifest = parseManifest(raw)
  if (manifest.kind !== 'image' || manifest.artifactType !== POINTER_TYPE) return undefined
  const [layer] = manifest.layers
  const mediaType = layer?.annotations?.[MEDIA_TYPE_ANNOTATION]
  return layer === undefined || mediaType === undefined ? undefined : {digest: layer.digest, mediaType}
}

function pointerTo(target: RawManifest): {readonly raw: RawManifest; readonly config: Digest} {
  const {digest: config} = createRawManifest(MEDIA_TYPE.ociEmpty, EMPTY_CONFIG)
  const {digest, bytes, mediaType} = target
  const pointer = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType: POINTER_TYPE,
    config: {mediaType: MEDIA_TYPE.ociEmpty, digest: config, size: EMPTY_CONFIG.length},
    layers: [{mediaType: KEPT_MANIFEST_TYPE, digest, size: bytes.length, annotations: {[MEDIA_TYPE_ANNOTATION]: mediaType}}],
  }
  return {raw: createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(JSON.stringify(pointer))), config}
}

/** A manifest says what it is, or its fields do (image-spec 1.1 §Image Manifest, §Image Index); undefined for a blob that is none. */
function mediaTypeOf(bytes: Uint8Array): string | undefined {
  let json: {readonly mediaType?: unknown; readonly schemaVersion?: unknown; readonly manifests?: unknown; readonly layers?: unknown} | null
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json?.schemaVersion !== 2) return undefined
  const {mediaType, manifests, layers} = json
  if (typeof mediaType === 'string') return isIndexType(mediaType) || isImageManifestType(mediaType) ? mediaType : undefined
  if (Array.isArray(manifests)) return MEDIA_TYPE.ociIndex
  return Array.isArray(layers) ? MEDIA_TYPE.ociManifest : undefined
}

/** Hashes what passes; the last slice passes only when all of them are the blob. */
function verifyingSink(sink: ByteSink, {digest, size}: BlobDescriptor): ByteSink {
  const algorithm = digestAlgorithm(digest)
  const hash = createHash(algorithm)
  let left = size
  return {
    write(chunk, release) {
      hash.update(chunk)
      left -= chunk.length
      const actual = left === 0 ? `${algorithm}:${hash.digest('hex')}` : digest
      if (actual !== digest) throw new IntegrityError(`its bytes have digest ${actual}`, {details: {expected: digest, actual}})
      return sink.write(chunk, release)
    },
  }
}

/** Nothing for a disk that takes no more. @throws every other error. */
function unlessStorage(error: unknown): undefined {
  if (!hasCode(error, 'STORAGE')) throw error
}

/** A blob as a source, from the file that it grows in. */
function sourceBehind(file: GrowingFile, {digest, size}: BlobDescriptor): BlobSource {
  return async (sink, start, signal) => {
    const {position, failure} = await file.read(sink, {range: {start}, ...(signal === undefined ? {} : {signal})})
    if (position < size) throw failure ?? new IntegrityError(`cannot read blob "${digest}": it ended after ${position} of ${size} bytes`)
  }
}

function sourceOf(bytes: Uint8Array): BlobSource {
  return (sink, start) =>
    new Promise<void>((resolve) => {
      if (start >= bytes.length) resolve()
      else sink.write(bytes.subarray(start), resolve)
    })
}
