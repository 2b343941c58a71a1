/** What an event changes in the index of repositories and tags. */
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import type {RegistryEvent} from './registry-event.ts'

interface Change {
  readonly repository: RepositoryName
  /** When, by the registry's clock (ISO 8601): for people to read. Which change is the later one is told by the order, not by this. */
  readonly at: string
}

export type IndexChange =
  | (Change & {readonly kind: 'tag-set'; readonly tag: Tag; readonly digest: Digest; readonly mediaType: string})
  /** Every tag that names the digest is gone with it; there may be none, and the digest may have been a blob's. */
  | (Change & {readonly kind: 'manifest-deleted'; readonly digest: Digest})
  | (Change & {readonly kind: 'tag-deleted'; readonly tag: Tag})
  /** A manifest was fetched. Whoever pulls one platform of an index fetches two. */
  | (Change & {readonly kind: 'pulled'; readonly digest: Digest})
  | (Change & {readonly kind: 'mounted'; readonly digest: Digest; readonly fromRepository: RepositoryName})

/**
 * The change that an event brings; undefined when it brings none: a manifest pushed without a tag (the platforms of an index are), and a HEAD, which registries tell of as
 * a pull and by which clients only look whether they are up to date.
 */
export function indexChange(event: RegistryEvent): IndexChange | undefined {
  const change = {repository: event.repository, at: event.occurredAt}
  switch (event.action) {
    case 'push':
      return event.tag === undefined
        ? undefined
        : {...change, kind: 'tag-set', tag: event.tag, digest: event.digest, mediaType: event.mediaType}
    case 'pull':
      return event.method === 'HEAD' ? undefined : {...change, kind: 'pulled', digest: event.digest}
    case 'mount':
      return {...change, kind: 'mounted', digest: event.digest, fromRepository: event.fromRepository}
    case 'delete':
      return 'tag' in event ? {...change, kind: 'tag-deleted', tag: event.tag} : {...change, kind: 'manifest-deleted', digest: event.digest}
  }
}
