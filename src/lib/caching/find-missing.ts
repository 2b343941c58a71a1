/** Looks whether an image at a target is whole: reads its manifests and asks by HEAD for the blobs that they name; no blob is pulled. */
import type {BlobReader, ManifestReader} from '../content/store.ts'
import {interrupted} from '../core/errors.ts'
import type {Lane} from '../core/lane.ts'
import type {Digest} from '../oci/digest.ts'
import {parseManifest, requiredBlobs} from '../oci/manifest.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {GraphBudget} from '../transfer/graph.ts'

/** Requests of a check at once. */
export const CHECK_CONCURRENCY = 4

/** What a check asks. */
export type CheckedStore = ManifestReader & Pick<BlobReader, 'statBlob'>

/**
 * Returns the digests of the manifests and blobs that the repository lacks; empty for a whole image. The lane bounds the requests; the first failure ends all others.
 * @throws {HoldfastError} RATE_LIMITED, GRAPH_TOO_DEEP, INTERRUPTED, and what the store throws.
 */
export async function findMissing(
  image: {readonly repository: RepositoryName; readonly digest: Digest},
  store: CheckedStore,
  {lane, signal}: {readonly lane: Lane; readonly signal?: AbortSignal | undefined},
): Promise<readonly Digest[]> {
  const failure = new AbortController()
  const call = {signal: signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal])}
  const budget = new GraphBudget()
  const blobs = new Set<Digest>()
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
  const askForBlob = async (digest: Digest): Promise<readonly Digest[]> =>
    (await ask(() => store.statBlob(image.repository, digest, call))) === undefined ? [digest] : []
  const missingBelow = async (digest: Digest): Promise<readonly Digest[]> => {
    if (!budget.enter(digest)) return []
    const raw = await ask(() => store.readManifest(image.repository, digest, call))
    if (raw === undefined) return [digest]
    const manifest = parseManifest(raw)
    if (manifest.kind === 'index') return (await Promise.all(manifest.manifests.map((child) => missingBelow(child.digest)))).flat()
    const fresh = requiredBlobs(manifest).filter((blob) => !blobs.has(blob.digest))
    for (const blob of fresh) blobs.add(blob.digest)
    return (await Promise.all(fresh.map((blob) => askForBlob(blob.digest)))).flat()
  }
  return await missingBelow(image.digest)
}
