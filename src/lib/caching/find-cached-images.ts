/** From any of its names to a cached image: GUID, digest, source reference or app (requirement V7). */

import {DEFAULT_TAG, formatPinned, formatReference} from '../oci/reference.ts'
import type {CachedImageStore} from '../records/store.ts'

/** One cached image as it was recorded. */
export interface FoundImage {
  readonly source: string
  readonly sourceDigest: string
  readonly pinnedReference: string
  readonly reference: string
  readonly registry: string
  readonly repository: string
  readonly digest: string
  /** The chosen platforms; absent for all. */
  readonly platforms?: readonly string[]
  readonly app?: string
  readonly sizeBytes: number
  /** ISO 8601. */
  readonly cachedAt: string
  /** Digests of the parts that it lacked, or had with other bytes, when it was last looked at; absent when it was whole. */
  readonly damaged?: readonly string[]
  /** ISO 8601: when it was removed on purpose; absent when it was not. */
  readonly removedAt?: string
}

export interface FoundImages {
  readonly images: readonly FoundImage[]
}

/** Images that match, newest first; all of them without a query. A reference that Holdfast printed, pasted whole, finds what it names. */
export async function findCachedImages(records: Pick<CachedImageStore, 'searchCachedImages'>, query?: string): Promise<FoundImages> {
  const direct = await records.searchCachedImages(query)
  const repository = query === undefined || direct.length > 0 ? undefined : repositoryIn(query)
  const found = repository === undefined ? direct : await records.searchCachedImages(repository)
  return {
    images: found.map(({createdAt, checkedAt: _, owner: __, ...record}) => ({
      ...record,
      pinnedReference: formatPinned(record, record.digest),
      reference: formatReference({registry: record.registry, repository: record.repository, tag: DEFAULT_TAG}),
      cachedAt: createdAt,
    })),
  }
}

/** The repository of a pasted reference, `<registry>/<guid>:latest` or `<registry>/<guid>@<digest>`. */
function repositoryIn(query: string): string | undefined {
  return /^[^/]+\/([^@:]+)(?:[:@].*)?$/.exec(query)?.[1]
}
