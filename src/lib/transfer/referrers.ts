/** What else belongs to an image: manifests that name it as their subject, and cosign's tags `sha256-<hex>.sig` and the like. */
import type {SourceStore} from '../content/store.ts'
import {hasCode} from '../core/errors.ts'
import {type Digest, digestAlgorithm, digestHex} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'

/** Tags by which tools attach something to a digest; the bare form is the referrers fallback and is read as such. */
const ATTACHED_TAG = /^(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})\.[A-Za-z0-9][A-Za-z0-9._-]*$/
/** Repositories with more tags than this are not searched to the end. */
const MAX_TAGS_SEARCHED = 20_000

/**
 * Tags of the repository that attach something to one of the digests. Tags come in lexical order, so one page after `sha256-` is enough where the registry pages;
 * a registry that does not list tags has none for us.
 */
export async function findAttachedTags(
  store: SourceStore,
  repository: RepositoryName,
  digests: Iterable<Digest>,
  signal?: AbortSignal,
): Promise<readonly Tag[]> {
  const prefixes = new Set([...digests].map((digest) => `${digestAlgorithm(digest)}-${digestHex(digest)}`))
  const found: Tag[] = []
  let searched = 0
  try {
    for await (const tag of store.listTags(repository, {last: 'sha256-', ...(signal ? {signal} : {})})) {
      if (tag > 'sha513' || ++searched > MAX_TAGS_SEARCHED) break
      const attached = ATTACHED_TAG.exec(tag)?.[1]
      if (attached !== undefined && prefixes.has(attached)) found.push(tag)
    }
  } catch (error) {
    if (!hasCode(error, 'UNSUPPORTED', 'DENIED', 'UNAUTHENTICATED', 'REPOSITORY_NOT_FOUND')) throw error
  }
  return found
}
