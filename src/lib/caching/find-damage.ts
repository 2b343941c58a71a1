/** Looks whether an image at a target is whole: reads its manifests, and asks by HEAD for the blobs that they name, or reads their bytes as well. */
import type {BlobReader, CallOptions, ManifestReader} from '../content/store.ts'
import type {ByteSink} from '../core/byte-sink.ts'
import {hasCode, interrupted} from '../core/errors.ts'
import type {Lane} from '../core/lane.ts'
import type {BlobDescriptor} from '../oci/descriptor.ts'
import {createDigestHash, type Digest, digestAlgorithm, finishDigest} from '../oci/digest.ts'
import {childManifests, parseManifest, requiredBlobs} from '../oci/manifest.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {GraphBudget} from '../transfer/graph.ts'

/** Requests of a check at once. */
export const CHECK_CONCURRENCY = 4

/** What a check asks. */
export type CheckedStore = ManifestReader & Pick<BlobReader, 'statBlob'>

/** The parts of an image that its repository does not have as they should be, each once. */
export interface Damage {
  readonly missing: readonly Digest[]
  /** Something else is there under these digests. */
  readonly altered: readonly Digest[]
}

export interface FindDamageOptions {
  readonly lane: Lane
  readonly signal?: AbortSignal | undefined
  readonly bytes?: BlobReader | undefined
  /** The blobs that `bytes` reads; all when absent. */
  readonly suspects?: ReadonlySet<Digest> | undefined
}

/**
 * Returns what is wrong with an image at its repository. The lane bounds the requests; the first failure ends all others.
 * @param bytes reads blobs and hashes them: all, or the suspects. The others are asked for by HEAD, which tells their size, and none is pulled.
 * @throws {HoldfastError} RATE_LIMITED, GRAPH_TOO_DEEP, INTERRUPTED, and what the store throws.
 */
export async function findDamage(
  image: {readonly repository: RepositoryName; readonly digest: Digest},
  store: CheckedStore,
  {lane, signal, bytes, suspects}: FindDamageOptions,
): Promise<Damage> {
  const failure = new AbortController()
  const call = {signal: signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal])}
  const budget = new GraphBudget()
  const blobs = new Set<Digest>()
  const missing: Digest[] = []
  const altered: Digest[] = []
  const ask = <T>(question: () => Promise<T>): Promise<T> =>
    lane.run(async () => {
      if (call.signal.aborted) throw interrupted()
      try {
        return await question()
      } catch (error) {
        failure.abort()
        throw error
      }
    })
  const lookAtBlob = async (blob: BlobDescriptor): Promise<void> => {
    const state = await ask(async () => {
      if (bytes !== undefined && suspects?.has(blob.digest) !== false) return await readState(bytes, image.repository, blob, call)
      const size = await store.statBlob(image.repository, blob.digest, call)
      if (size === undefined) return 'missing'
      return size === blob.size ? 'whole' : 'altered'
    })
    if (state === 'missing') missing.push(blob.digest)
    else if (state === 'altered') altered.push(blob.digest)
  }
  const lookBelow = async (digest: Digest): Promise<void> => {
    if (!budget.enter(digest)) return
    const raw = await ask(async () => {
      try {
        return (await store.readManifest(image.repository, digest, call)) ?? 'missing'
      } catch (error) {
        if (hasCode(error, 'INTEGRITY')) return 'altered'
        throw error
      }
    })
    if (raw === 'missing') return void missing.push(digest)
    if (raw === 'altered') return void altered.push(digest)
    const manifest = parseManifest(raw)
    const children = manifest.kind === 'index' ? childManifests(manifest) : []
    const fresh = requiredBlobs(manifest).filter((blob) => !blobs.has(blob.digest))
    for (const blob of fresh) blobs.add(blob.digest)
    await Promise.all([...children.map((child) => lookBelow(child.digest)), ...fresh.map(lookAtBlob)])
  }
  await lookBelow(image.digest)
  return {missing, altered}
}

async function readState(
  store: BlobReader,
  repository: RepositoryName,
  blob: BlobDescriptor,
  call: CallOptions,
): Promise<'whole' | 'missing' | 'altered'> {
  const hash = createDigestHash(blob.digest)
  const sink: ByteSink = {
    write(chunk, release) {
      hash.update(chunk)
      release()
      return true
    },
  }
  try {
    await store.readBlob(repository, blob, sink, call)
  } catch (error) {
    if (hasCode(error, 'BLOB_NOT_FOUND')) return 'missing'
    if (hasCode(error, 'INTEGRITY')) return 'altered'
    throw error
  }
  return finishDigest(hash, digestAlgorithm(blob.digest)) === blob.digest ? 'whole' : 'altered'
}
