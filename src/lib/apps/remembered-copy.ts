/** What this machine remembers of a cached reference: for releases that do not tell themselves. */
import {formatPinned, parseReference} from '../oci/reference.ts'
import type {CachedImageStore, StagedImageRecord} from '../records/store.ts'

/** Undefined for what was not cached from here. Another digest of a repository that was is a copy of the same image. */
export async function rememberedCopy(
  records: Pick<CachedImageStore, 'searchCachedImages'>,
  image: string,
): Promise<StagedImageRecord | undefined> {
  const {registry, repository, digest} = parseReference(image)
  const found = (await records.searchCachedImages(repository)).filter((one) => one.registry === registry && one.repository === repository)
  const record = found.find((one) => one.digest === digest) ?? found[0]
  if (record === undefined) return undefined
  const cached = digest ?? record.digest
  return {
    source: record.source,
    sourceDigest: cached === record.digest ? record.sourceDigest : cached,
    cached: formatPinned(record, cached),
    stagedAt: record.createdAt,
  }
}
