/** Puts back what a cached image lacks, under the name that it has: what was deployed by that reference can be pulled again. */
import type {SourceStore, TargetStore} from '../content/store.ts'
import {EXIT, HoldfastError, IntegrityError, TransferError} from '../core/errors.ts'
import {type Digest, digestHex} from '../oci/digest.ts'
import {parsePlatform} from '../oci/platform.ts'
import {DEFAULT_TAG, formatPinned, formatReference, parseReference, type Reference} from '../oci/reference.ts'
import type {CachedImageRecord, CachedImageStore} from '../records/store.ts'
import type {CopyRun} from '../transfer/copy.ts'
import type {CopyJob, CopyReport} from '../transfer/copy-job.ts'

export interface HealDependencies {
  readonly target: TargetStore
  readonly openSource: (reference: Reference) => Promise<SourceStore>
  readonly records: Pick<CachedImageStore, 'searchCachedImages'>
  /** Where a mirror may have an image: asked last. */
  readonly findInMirror?: ((reference: Reference) => Promise<readonly CopyJob['source'][]>) | undefined
}

type Origin = Pick<CopyJob, 'platforms'> & {readonly reference: Reference; readonly store?: SourceStore}

/**
 * Copies the recorded digest again, from its source, else from other copies that were recorded here, else from a mirror; never what a tag names now.
 * @param altered is written again, although the target has something under these digests.
 * @throws {HoldfastError} MANIFEST_NOT_FOUND naming the reference that is lost, when no place has it; what the target throws; what the source throws otherwise.
 */
export async function healImage(
  record: CachedImageRecord,
  dependencies: HealDependencies,
  run: CopyRun,
  altered: readonly Digest[] = [],
): Promise<CopyReport> {
  const {target, openSource, records, findInMirror} = dependencies
  const copyFrom = async ({reference, store, ...choice}: Origin): Promise<CopyReport> =>
    await run.copy({
      ...choice,
      source: {store: store ?? (await openSource(reference)), reference},
      target: {
        store: target,
        reference: {registry: record.registry, repository: record.repository, tag: DEFAULT_TAG},
        isDamaged: true,
        altered,
      },
    })
  const {registry, repository} = parseReference(record.source)
  const {platforms} = record
  const choice = platforms === undefined ? {} : {platforms: platforms.map(parsePlatform)}
  const source: Origin = {reference: {registry, repository, digest: record.sourceDigest}, ...choice}
  const tried = [formatReference(source.reference)]
  const otherPlaces = async function* (): AsyncGenerator<Origin> {
    for (const reference of await otherCopies(record, records)) yield {reference}
    const places = await findInMirror?.(source.reference).catch((error: unknown) => {
      if (!isSourceFailure(error)) throw error
      tried.push(`the mirror: ${error.message}`)
    })
    for (const place of places ?? []) yield {...place, ...choice}
  }
  try {
    return await copyFrom(source)
  } catch (error) {
    if (!isSourceFailure(error)) throw error
    for await (const place of otherPlaces()) {
      tried.push(formatReference(place.reference))
      try {
        return await copyFrom(place)
      } catch (other) {
        if (!isSourceFailure(other)) throw other
      }
    }
    throw lost(record, tried, error)
  }
}

/** Where the same digest was cached as well; each place once. */
async function otherCopies(record: CachedImageRecord, records: HealDependencies['records']): Promise<readonly Reference[]> {
  const found = await records.searchCachedImages(record.digest)
  const copies = found.flatMap(({registry, repository, digest, removedAt}) =>
    digest === record.digest && removedAt === undefined && !(registry === record.registry && repository === record.repository)
      ? [{registry, repository, digest}]
      : [],
  )
  return [...new Map(copies.map((copy) => [formatReference(copy), copy])).values()]
}

/** A source that fails, or a registry that cannot be opened; never the target. */
function isSourceFailure(error: unknown): error is HoldfastError {
  if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') return false
  return !(error instanceof TransferError) || error.side === 'source'
}

function lost(record: CachedImageRecord, tried: readonly string[], error: HoldfastError): HoldfastError {
  const reference = formatPinned(record, record.digest)
  return new HoldfastError(
    error.exitCode === EXIT.notFound ? 'MANIFEST_NOT_FOUND' : error.code,
    `cannot heal "${reference}": ${error.message}`,
    {
      hints: [error.exitCode === EXIT.notFound ? `holdfast cached ${record.digest}   # lists where it was cached` : copyAgain(record)],
      details: {...error.details, lost: reference, tried},
      cause: error,
    },
  )
}

/** The command that copies the recorded digest again, once its source can be read. */
function copyAgain(record: CachedImageRecord): string {
  const {registry, repository} = parseReference(record.source)
  const source = formatReference({registry, repository, digest: record.sourceDigest})
  const target = formatReference({registry: record.registry, repository: record.repository, tag: DEFAULT_TAG})
  const platforms = record.platforms === undefined ? '' : ` --platform ${record.platforms.join(',')}`
  return `holdfast copy ${source} ${target}${platforms} --recheck   # once ${registry} can be read`
}

/** A registry that keeps what it has under a digest, whatever is sent to it, as docker-registry does. */
export function stillAltered(reference: string, registry: string, altered: readonly Digest[]): IntegrityError {
  return new IntegrityError(
    `cannot heal "${reference}": ${registry} still has other bytes under ${altered.join(', ')} after they were written again`,
    {
      hints: altered.map((digest) => {
        const hex = digestHex(digest)
        return `rm docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data   # in the storage of ${registry}, if it is docker-registry; then run the same command again`
      }),
      details: {lost: reference, altered},
    },
  )
}
