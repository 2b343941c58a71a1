/**
 * Caching: copies images into a registry that the user owns, under names nobody can guess or reuse, and remembers which name stands for which image.
 * The same wish again, with the source unchanged, is answered with what is there, after one HEAD at each end (requirements B5, G1, V7).
 */
import {randomUUID} from 'node:crypto'
import type {BlobReader, SourceStore, TargetStore} from '../content/store.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import {type Digest, isDigest} from '../oci/digest.ts'
import {formatPlatform, type Platform} from '../oci/platform.ts'
import {
  DEFAULT_TAG,
  formatPinned,
  formatReference,
  manifestReference,
  parseReference,
  parseRepositoryName,
  type Reference,
  type RegistryHost,
  type RepositoryName,
} from '../oci/reference.ts'
import {isGuidBelow} from '../records/guid.ts'
import type {BlobLocationStore, CachedImageKey, CachedImageRecord, CachedImageStore} from '../records/store.ts'
import {CopyRun} from '../transfer/copy.ts'
import type {CopyReport, ForeignLayer, MissingManifest} from '../transfer/copy-job.ts'
import type {TransferListener} from '../transfer/events.ts'
import {IMAGE_CONCURRENCY} from '../transfer/limits.ts'
import {type HealedImage, type RecheckDependencies, Rechecks} from './recheck.ts'
import {StoredBlobs} from './stored-blobs.ts'

export interface CacheImagesRequest {
  readonly sources: readonly Reference[]
  /** The registry that the copies go to, by its name in references. */
  readonly registry: RegistryHost
  /** Where GUIDs stand in it; undefined: at its root. */
  readonly prefix: RepositoryName | undefined
  /** All when absent or empty. */
  readonly platforms?: readonly Platform[] | undefined
  /** A name instead of a fresh GUID; for one source only. */
  readonly repository?: RepositoryName | undefined
  /** The app the image is cached for. */
  readonly app?: string | undefined
  /** Tells the app from others of its name: each gets GUIDs of its own. */
  readonly owner?: string | undefined
  /** Take a fresh GUID even where the same wish was fulfilled before. */
  readonly isNew?: boolean | undefined
  readonly referrers?: boolean | undefined
  /** Copy the bytes of foreign layers too, where the source has them. */
  readonly foreignLayers?: boolean | undefined
  /** Hash the bytes that move, read and hash those that the target has, and heal what is not as it should be. */
  readonly verify?: boolean | undefined
  /** How long an image that was cached before counts as whole, in milliseconds; 0: it is checked now. Never checked when absent. */
  readonly recheckMs?: number | undefined
  /** Blobs on their way at once. */
  readonly blobConcurrency?: number | undefined
}

/** What caching needs from outside. */
export interface CacheImagesDependencies extends RecheckDependencies {
  readonly target: TargetStore & BlobReader
  readonly openSource: (reference: Reference) => Promise<SourceStore>
  readonly records: CachedImageStore & BlobLocationStore
  readonly listener?: TransferListener | undefined
  /** Told of each image as soon as it is cached and recorded. */
  readonly onCached?: ((image: CachedImage) => void) | undefined
}

/** One image that is cached now. */
export interface CachedImage {
  /** The source reference with every default written out. */
  readonly source: string
  /** `<host>:<port>/<repository>@sha256:…` */
  readonly pinnedReference: string
  /** `<host>:<port>/<repository>:latest` */
  readonly reference: string
  readonly registry: string
  readonly repository: string
  readonly digest: string
  readonly sourceDigest: string
  /** True for a choice of platforms: the digest is then not the source's. */
  readonly digestChanged: boolean
  /** The chosen platforms; absent for all. */
  readonly platforms?: readonly string[]
  readonly app?: string
  /** The source had not changed, so that nothing was copied. */
  readonly unchanged: boolean
  readonly sizeBytes: number
  readonly copiedBytes: number
  readonly uploadedBlobs: number
  readonly mountedBlobs: number
  readonly presentBlobs: number
  readonly referrers: number
  /** Layers that the copy still needs from their URLs. */
  readonly foreignLayers?: readonly ForeignLayer[]
  /** Attestations of the chosen platforms that the source does not have. */
  readonly missing?: readonly MissingManifest[]
  /** Digests of what the copy had lost, or had with other bytes, and was given again, under the same name; absent when it was whole or not looked at. */
  readonly healed?: readonly string[]
  /** ISO 8601. */
  readonly cachedAt: string
}

export type CacheOutcome =
  | {readonly status: 'cached'; readonly source: string; readonly image: CachedImage}
  | {readonly status: 'failed'; readonly source: string; readonly error: unknown}

/**
 * Caches images side by side over shared connections; a blob that several of them need moves once. One failure does not stop the others.
 * Answers in the order of the sources, each source once.
 * @throws {HoldfastError} USAGE when a name is given for several sources.
 */
export async function cacheImages(request: CacheImagesRequest, dependencies: CacheImagesDependencies): Promise<readonly CacheOutcome[]> {
  const sources = [...new Map(request.sources.map((source) => [formatReference(source), source])).values()]
  if (request.repository !== undefined && sources.length > 1) {
    throw new HoldfastError('USAGE', `cannot cache ${sources.length} images as "${request.repository}": a repository name fits one image`, {
      hints: ['leave --repository away: each image gets a GUID of its own'],
    })
  }
  const {records, listener, signal, onCached} = dependencies
  const stored = new StoredBlobs(records, request.registry)
  const run = new CopyRun({
    listener,
    signal,
    referrers: request.referrers,
    foreignLayers: request.foreignLayers,
    verify: request.verify,
    blobConcurrency: request.blobConcurrency,
    findBlobLocation: (digest) => records.findBlobLocation(request.registry, digest),
    onBlobStored: stored.add,
  })
  const rechecks = new Rechecks(request.verify ? 'bytes' : (request.recheckMs ?? Number.POSITIVE_INFINITY), dependencies, run)
  const lane = new Lane(() => IMAGE_CONCURRENCY)
  const outcomes = await Promise.all(
    sources.map((source) =>
      lane.run(async (): Promise<CacheOutcome> => {
        const name = formatReference(source)
        try {
          const {image, known, previous} = await cacheImage(source, request, dependencies, {run, rechecks})
          onCached?.(image)
          if (previous !== undefined) await rechecks.lookBack(previous)
          const healed = known === undefined ? undefined : await rechecks.look(known)
          return {status: 'cached', source: name, image: healed === undefined ? image : {...image, ...describeHealed(healed)}}
        } catch (error) {
          return {status: 'failed', source: name, error}
        }
      }),
    ),
  )
  await stored.close()
  return outcomes
}

/** An image that is cached now; what of it is to be checked, and what was cached before its tag moved. */
interface CachedNow {
  readonly image: CachedImage
  readonly known?: CachedImageRecord
  readonly previous?: CachedImageRecord
}

async function cacheImage(
  source: Reference,
  request: CacheImagesRequest,
  dependencies: CacheImagesDependencies,
  {run, rechecks}: {readonly run: CopyRun; readonly rechecks: Rechecks},
): Promise<CachedNow> {
  const {records, now} = dependencies
  const store = await dependencies.openSource(source)
  const key = cacheKey(source, request)
  const known = request.isNew ? undefined : await findKnown(key, source, records)
  let previous: CachedImageRecord | undefined
  if (known !== undefined && !request.foreignLayers) {
    const name = formatReference(source)
    const {there, isHere} = await askBothEnds(known, source, store, dependencies)
    if (typeof there !== 'string') {
      await rechecks.look(known, true)
      throw sourceFailure(name, known, there)
    }
    if (there === known.sourceDigest && isHere) return {image: {...describeRecord(known), source: name}, known}
    if (there === known.sourceDigest) {
      const report = await rechecks.heal(known)
      const healed = describeHealed({healed: [known.digest], report})
      return {image: {...describeRecord(known), source: name, ...healed}, ...(request.verify ? {known} : {})}
    }
    if (isHere) previous = known
    else await rechecks.lookBack(known, true)
  }
  // What is looked for in a copy that is there belongs into that one.
  const there = request.repository ?? (request.foreignLayers ? known?.repository : undefined)
  const fresh = parseRepositoryName([...(request.prefix === undefined ? [] : [request.prefix]), randomUUID()].join('/'))
  const repository = there ?? (request.isNew ? fresh : await records.claimRepository(key, fresh, known?.repository))
  const report = await run.copy({
    source: {store, reference: source},
    target: {
      store: dependencies.target,
      reference: {registry: request.registry, repository, tag: DEFAULT_TAG},
      isFresh: repository === fresh,
    },
    ...(request.platforms === undefined ? {} : {platforms: request.platforms}),
  })
  const {prefix: _, ...wish} = key
  const record: CachedImageRecord = {
    ...wish,
    repository,
    sourceDigest: report.sourceDigest,
    digest: report.digest,
    sizeBytes: report.sizeBytes,
    createdAt: now().toISOString(),
  }
  await records.recordCachedImage(record)
  return {
    image: {...describeRecord(record), ...describeReport(report)},
    ...(request.verify ? {known: record} : {}),
    ...(previous === undefined ? {} : {previous}),
  }
}

/** The record that answers a request; one for a digest is answered as well by what a tag of the same repository named, when that was cached. */
async function findKnown(key: CachedImageKey, source: Reference, records: CachedImageStore): Promise<CachedImageRecord | undefined> {
  const known = await records.findCachedImage(key)
  if (known !== undefined || source.digest === undefined || key.repository !== undefined) return known
  return (await records.searchCachedImages(source.digest)).find((record) => {
    const {registry, repository} = parseReference(record.source)
    return (
      record.sourceDigest === source.digest &&
      registry === source.registry &&
      repository === source.repository &&
      record.registry === key.registry &&
      record.app === key.app &&
      record.owner === key.owner &&
      String(record.platforms) === String(key.platforms) &&
      isGuidBelow(key.prefix, record.repository) &&
      record.removedAt === undefined
    )
  })
}

function cacheKey(source: Reference, request: CacheImagesRequest): CachedImageKey {
  const platforms = request.platforms?.map(formatPlatform).sort()
  return {
    source: formatReference(source),
    registry: request.registry,
    ...(request.app === undefined ? {} : {app: request.app}),
    ...(request.owner === undefined ? {} : {owner: request.owner}),
    ...(platforms === undefined || platforms.length === 0 ? {} : {platforms}),
    ...(request.repository === undefined ? {} : {repository: request.repository}),
    ...(request.prefix === undefined || request.repository !== undefined ? {} : {prefix: request.prefix}),
  }
}

/** What the ends of a copy have. */
interface Ends {
  /** What the source names now; undefined when it has no such image, an error when it cannot be asked. */
  readonly there: Digest | undefined | HoldfastError
  /** Whether the target has the image. */
  readonly isHere: boolean
}

/** One HEAD at each end; a source that is pinned by digest is not asked at all, since it cannot have changed. */
async function askBothEnds(
  known: CachedImageRecord,
  source: Reference,
  store: SourceStore,
  {target, signal}: CacheImagesDependencies,
): Promise<Ends> {
  const call = signal === undefined ? {} : {signal}
  const reference = manifestReference(source)
  const [there, here] = await Promise.all([
    isDigest(reference)
      ? reference
      : store.statManifest(source.repository, reference, call).then((found) => found?.digest, unlessInterrupted),
    target.statManifest(known.repository, known.digest, call).catch(unlessAltered),
  ])
  return {there, isHere: here !== undefined}
}

function unlessInterrupted(error: unknown): HoldfastError {
  if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
  return error
}

/** A manifest with other bytes is as good as lost. */
function unlessAltered(error: unknown): undefined {
  if (!hasCode(error, 'INTEGRITY')) throw error
}

/** A source that does not tell what it names now; says what is cached, which was looked at before. */
function sourceFailure(name: string, known: CachedImageRecord, error: HoldfastError | undefined): HoldfastError {
  const cached = formatPinned(known, known.digest)
  const hint = `use what was cached on ${known.createdAt}: ${cached}`
  if (error === undefined) {
    return new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${name}": its registry has no such manifest any more`, {
      hints: [hint],
      details: {cached},
    })
  }
  return new HoldfastError(error.code, `cannot ask "${name}" whether it has changed: ${error.message}`, {
    hints: [...error.hints, hint],
    details: {...error.details, cached},
    cause: error,
  })
}

function describeRecord(record: CachedImageRecord): CachedImage {
  return {
    source: record.source,
    pinnedReference: formatPinned(record, record.digest),
    reference: formatReference({registry: record.registry, repository: record.repository, tag: DEFAULT_TAG}),
    registry: record.registry,
    repository: record.repository,
    digest: record.digest,
    sourceDigest: record.sourceDigest,
    digestChanged: record.digest !== record.sourceDigest,
    ...(record.platforms === undefined ? {} : {platforms: record.platforms}),
    ...(record.app === undefined ? {} : {app: record.app}),
    unchanged: true,
    sizeBytes: record.sizeBytes,
    copiedBytes: 0,
    uploadedBlobs: 0,
    mountedBlobs: 0,
    presentBlobs: 0,
    referrers: 0,
    cachedAt: record.createdAt,
  }
}

function describeHealed({healed, report}: HealedImage) {
  return {...describeReport(report), healed}
}

function describeReport(report: CopyReport) {
  const {unchanged, uploadedBlobs, mountedBlobs, presentBlobs, referrers, foreignLayers, missing} = report
  return {
    unchanged,
    copiedBytes: report.uploadedBytes,
    uploadedBlobs,
    mountedBlobs,
    presentBlobs,
    referrers,
    ...(foreignLayers === undefined ? {} : {foreignLayers}),
    ...(missing === undefined ? {} : {missing}),
  }
}
