/** Caching as a command wants it: what became of each image, and, where asked for, the staging result of the one image. */
import {HoldfastError} from '../core/errors.ts'
import {parseDigest} from '../oci/digest.ts'
import {parseRepositoryName} from '../oci/reference.ts'
import type {StagingResultFormat} from '../staging/staging-result.ts'
import {type CachedImage, type CacheImagesDependencies, type CacheImagesRequest, cacheImages} from './cache-images.ts'

export interface CacheAndStageRequest extends CacheImagesRequest {
  /** For one source only. */
  readonly result?: {readonly file: string; readonly format: StagingResultFormat}
}

export interface CacheAndStageOutcome {
  readonly images: readonly CachedImage[]
  readonly failures: readonly {readonly source: string; readonly error: unknown}[]
}

/**
 * Caches the images, then writes the staging result; where caching failed, no file is written.
 * @throws {HoldfastError} USAGE when a result is wanted of several images; STORAGE when the file cannot be written.
 */
export async function cacheAndStage(request: CacheAndStageRequest, dependencies: CacheImagesDependencies): Promise<CacheAndStageOutcome> {
  const {result} = request
  if (result !== undefined && request.sources.length > 1) {
    throw new HoldfastError(
      'USAGE',
      `cannot write "${result.file}": a staging result is of one image, and ${request.sources.length} were named`,
      {
        hints: ['run holdfast cache-image once for each image'],
      },
    )
  }
  const outcomes = await cacheImages(request, dependencies)
  const images = outcomes.flatMap((outcome) => (outcome.status === 'cached' ? [outcome.image] : []))
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'failed' ? [{source: outcome.source, error: outcome.error}] : []))
  const [image] = images
  if (result !== undefined && image !== undefined) await stage(image, result, dependencies)
  return {images, failures}
}

async function stage(
  image: CachedImage,
  result: NonNullable<CacheAndStageRequest['result']>,
  {target, signal}: CacheImagesDependencies,
): Promise<void> {
  const {writeStagingResult} = await import('../staging/write-staging-result.ts')
  const staged = {
    repository: parseRepositoryName(image.repository),
    digest: parseDigest(image.digest),
    pinnedReference: image.pinnedReference,
    tagReference: image.reference,
  }
  await writeStagingResult(staged, target, {...result, ...(signal === undefined ? {} : {signal})})
}
