/** Copying one image to a place the user names, and remembering where its blobs went. */

import type {BlobReader, SourceStore, TargetStore} from '../content/store.ts'
import {Lane} from '../core/lane.ts'
import type {Platform} from '../oci/platform.ts'
import {formatReference, type Reference} from '../oci/reference.ts'
import type {BlobLocationStore} from '../records/store.ts'
import {CopyRun} from '../transfer/copy.ts'
import type {CopyReport, CopyRunOptions, ForeignLayer, MissingManifest} from '../transfer/copy-job.ts'
import {CHECK_CONCURRENCY, findDamage} from './find-damage.ts'
import {stillAltered} from './heal.ts'
import {StoredBlobs} from './stored-blobs.ts'

export interface CopyImageRequest {
  readonly source: {readonly store: SourceStore; readonly reference: Reference}
  readonly target: {readonly store: TargetStore & BlobReader; readonly reference: Reference}
  /** All when empty. */
  readonly platforms: readonly Platform[]
  /** Look afterwards whether the target is whole, also where a tag says so, and copy again by digest what it lacks. With `verify`, every byte of it is read. */
  readonly recheck?: boolean | undefined
}

/** An image that is at its target now. */
export interface CopiedImage {
  readonly source: string
  readonly target: string
  readonly pinnedReference: string
  readonly digest: string
  readonly sourceDigest: string
  readonly digestChanged: boolean
  readonly mediaType: string
  readonly platforms: readonly string[]
  readonly unchanged: boolean
  readonly sizeBytes: number
  readonly copiedBytes: number
  readonly uploadedBlobs: number
  readonly mountedBlobs: number
  readonly presentBlobs: number
  readonly referrers: number
  readonly foreignLayers?: readonly ForeignLayer[]
  readonly missing?: readonly MissingManifest[]
  /** Digests of what the target had lost, or had with other bytes, and was given again; absent when it was whole or not looked at. */
  readonly healed?: readonly string[]
}

/**
 * Copies an image; without records it is not remembered where its blobs went, as with a directory.
 * @throws {TransferError} with the side that failed; the tag is then not written.
 * @throws {IntegrityError} when the target keeps other bytes than it was sent.
 */
export async function copyImage(
  {source, target, platforms, recheck}: CopyImageRequest,
  {records, ...options}: CopyRunOptions & {readonly records: BlobLocationStore | undefined},
): Promise<CopiedImage> {
  const {registry, repository} = target.reference
  const stored = records === undefined ? undefined : new StoredBlobs(records, registry)
  const run = new CopyRun({
    ...options,
    findBlobLocation: async (digest) => await records?.findBlobLocation(registry, digest),
    onBlobStored: stored?.add,
  })
  try {
    const whole = await copyWhole({source, target, platforms}, {run, recheck, verify: options.verify, signal: options.signal})
    const {uploadedBytes, source: from, target: to, ...report} = whole
    return {
      source: formatReference(from),
      target: formatReference(to),
      pinnedReference: formatReference({registry, repository, digest: report.digest}),
      digestChanged: report.digest !== report.sourceDigest,
      copiedBytes: uploadedBytes,
      ...report,
    }
  } finally {
    await stored?.close()
  }
}

async function copyWhole(
  {source, target, platforms}: Omit<CopyImageRequest, 'recheck'>,
  {run, recheck, verify, signal}: {readonly run: CopyRun} & Pick<CopyImageRequest, 'recheck'> & Pick<CopyRunOptions, 'verify' | 'signal'>,
): Promise<CopyReport & Pick<CopiedImage, 'healed'>> {
  const report = await run.copy({source, target, platforms})
  if (recheck !== true && verify !== true) return report
  const {registry, repository} = target.reference
  const look = () =>
    findDamage({repository, digest: report.digest}, target.store, {
      lane: new Lane(() => CHECK_CONCURRENCY),
      signal,
      bytes: verify === true ? target.store : undefined,
    })
  const {missing, altered} = await look()
  const healed = [...missing, ...altered]
  if (healed.length === 0) return report
  const pinned = {
    store: source.store,
    reference: {registry: source.reference.registry, repository: source.reference.repository, digest: report.sourceDigest},
  }
  const again = await run.copy({source: pinned, target: {...target, isDamaged: true, altered}, platforms})
  const left = altered.length === 0 ? [] : (await look()).altered
  if (left.length > 0) throw stillAltered(formatReference({registry, repository, digest: report.digest}), registry, left)
  return {...again, source: source.reference, healed}
}
