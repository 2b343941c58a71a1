/** Verifies a mirror offline: pulls images while the upstream cannot be asked, before and after a restart. Changes nothing, and sends nothing to the upstream. */
import {createHash} from 'node:crypto'
import type {SourceStore} from '../content/store.ts'
import type {ByteSink} from '../core/byte-sink.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import type {BlobDescriptor} from '../oci/descriptor.ts'
import {type Digest, digestAlgorithm} from '../oci/digest.ts'
import {childManifests, MAX_INDEX_DEPTH, parseManifest, type RawManifest, requiredBlobs} from '../oci/manifest.ts'
import {formatReference, manifestReference, type Reference, type RepositoryName} from '../oci/reference.ts'

const IMAGES_AT_ONCE = 4

export interface VerifiedImage {
  readonly image: string
  /** `served`: complete and unchanged in every round. `missing`: the mirror does not have it. `broken`: the mirror has part of it. */
  readonly outcome: 'served' | 'missing' | 'broken'
  readonly digest?: string
  readonly sizeBytes: number
  /** Platforms of an index that no client has asked the mirror for. */
  readonly missingPlatforms: number
  readonly reason?: string
}

/** The mirror without its upstream, as clients see it. */
export interface OfflineMirror {
  readonly store: SourceStore
  stop(): Promise<void>
}

export interface VerifyDependencies {
  /** Starts it anew for each round. */
  readonly openOfflineMirror: () => Promise<OfflineMirror>
  readonly onRound?: ((round: 'offline' | 'restarted') => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Pulls every image twice and checks each digest; returns the outcomes in the order of `images`. */
export async function verifyOffline(
  images: readonly Reference[],
  {openOfflineMirror, onRound, signal}: VerifyDependencies,
): Promise<readonly VerifiedImage[]> {
  let results = images.map(
    (reference): VerifiedImage => ({image: formatReference(reference), outcome: 'served', sizeBytes: 0, missingPlatforms: 0}),
  )
  for (const round of ['offline', 'restarted'] as const) {
    onRound?.(round)
    const {store, stop} = await openOfflineMirror()
    try {
      const lane = new Lane(() => IMAGES_AT_ONCE)
      const pulled = await Promise.all(images.map((reference) => lane.run(() => pull(store, reference, signal))))
      results = results.map((before, index) => (before.outcome === 'served' ? (pulled[index] ?? before) : before))
    } finally {
      await stop()
    }
  }
  return results
}

async function pull(store: SourceStore, reference: Reference, signal: AbortSignal | undefined): Promise<VerifiedImage> {
  const image = formatReference(reference)
  const nothing = {image, sizeBytes: 0, missingPlatforms: 0}
  const call = signal === undefined ? {} : {signal}
  let raw: RawManifest | undefined
  try {
    raw = await store.readManifest(reference.repository, manifestReference(reference), call)
    if (raw === undefined) return {...nothing, outcome: 'missing'}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {...nothing, outcome: 'missing', reason: error.message}
  }
  try {
    const {sizeBytes, missingPlatforms} = await pullGraph(assertWhole, store, reference.repository, raw, call)
    return {image, outcome: 'served', digest: raw.digest, sizeBytes, missingPlatforms}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {...nothing, outcome: 'broken', digest: raw.digest, reason: error.message}
  }
}

/**
 * Pulls an image with every platform that is to be had, whole and hashed; a mirror keeps what passes through it.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND; what reading it throws; INTEGRITY.
 */
export async function pullWhole(store: SourceStore, reference: Reference, signal?: AbortSignal): Promise<PulledImage> {
  return await pullWith(assertWhole, store, reference, signal)
}

async function pullWith(see: SeeBlob, store: SourceStore, reference: Reference, signal: AbortSignal | undefined): Promise<PulledImage> {
  const call = signal === undefined ? {} : {signal}
  const raw = await store.readManifest(reference.repository, manifestReference(reference), call)
  if (raw === undefined)
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot pull "${formatReference(reference)}": there is no such image`)
  const {sizeBytes, missingPlatforms} = await pullGraph(see, store, reference.repository, raw, call)
  if (missingPlatforms === 0) return {digest: raw.digest, sizeBytes}
  throw new HoldfastError(
    'MANIFEST_NOT_FOUND',
    `cannot pull "${formatReference(reference)}": ${missingPlatforms} of its platforms are not to be had`,
  )
}

/**
 * Sees to it that a mirror has an image with every platform: it gets a blob whole before it gives one byte of it, and what is there already is not read again.
 * @throws {HoldfastError} as `pullWhole`.
 */
export async function fillWhole(store: SourceStore, reference: Reference, signal?: AbortSignal): Promise<PulledImage> {
  return await pullWith(touchBlob, store, reference, signal)
}

type Call = {readonly signal?: AbortSignal}
type Pulled = Pick<VerifiedImage, 'sizeBytes' | 'missingPlatforms'>
type SeeBlob = (store: SourceStore, repository: RepositoryName, blob: BlobDescriptor, call: Call) => Promise<void>

interface PulledImage {
  readonly digest: string
  readonly sizeBytes: number
}

async function pullGraph(
  see: SeeBlob,
  store: SourceStore,
  repository: RepositoryName,
  raw: RawManifest,
  call: Call,
  seen = new Set<Digest>(),
  depth = 0,
): Promise<Pulled> {
  const manifest = parseManifest(raw)
  if (manifest.kind === 'image') {
    const blobs = requiredBlobs(manifest)
    for (const blob of blobs) await see(store, repository, blob, call)
    return {sizeBytes: blobs.reduce((sum, {size}) => sum + size, 0), missingPlatforms: 0}
  }
  if (depth === MAX_INDEX_DEPTH) throw new HoldfastError('GRAPH_TOO_DEEP', `cannot pull "${raw.digest}": indexes are nested too deep`)
  let [sizeBytes, missingPlatforms, found] = [0, 0, 0]
  for (const blob of requiredBlobs(manifest)) {
    try {
      await see(store, repository, blob, call)
      sizeBytes += blob.size
      found++
    } catch (error) {
      if (!hasCode(error, 'REGISTRY_UNAVAILABLE', 'BLOB_NOT_FOUND')) throw error
      missingPlatforms++
    }
  }
  for (const child of childManifests(manifest)) {
    if (seen.has(child.digest)) continue
    seen.add(child.digest)
    const read = await store.readManifest(repository, child.digest, call).catch((error: unknown) => {
      if (hasCode(error, 'REGISTRY_UNAVAILABLE')) return undefined
      throw error
    })
    if (read === undefined) {
      missingPlatforms++
      continue
    }
    const pulled = await pullGraph(see, store, repository, read, call, seen, depth + 1)
    sizeBytes += pulled.sizeBytes
    missingPlatforms += pulled.missingPlatforms
    found++
  }
  if (found === 0) throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot pull "${raw.digest}": none of its platforms is there`)
  return {sizeBytes, missingPlatforms}
}

/** @throws {HoldfastError} what reading throws; INTEGRITY when the bytes are not the blob's. */
async function assertWhole(store: SourceStore, repository: RepositoryName, blob: BlobDescriptor, call: Call): Promise<void> {
  const hash = createHash(digestAlgorithm(blob.digest))
  const sink: ByteSink = {
    write(chunk, release) {
      hash.update(chunk)
      release()
      return true
    },
  }
  await store.readBlob(repository, blob, sink, call)
  const actual = `${digestAlgorithm(blob.digest)}:${hash.digest('hex')}`
  if (actual !== blob.digest) throw new HoldfastError('INTEGRITY', `cannot pull "${blob.digest}": the mirror gave ${actual}`)
}

async function touchBlob(store: SourceStore, repository: RepositoryName, blob: BlobDescriptor, call: Call): Promise<void> {
  if (blob.size === 0) return await assertWhole(store, repository, blob, call)
  const sink: ByteSink = {
    write(_chunk, release) {
      release()
      return true
    },
  }
  await store.readBlob(repository, blob, sink, {...call, range: {start: 0, end: 0}})
}
