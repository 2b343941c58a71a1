/** The names that cached images get when none is asked for: a GUID, at the root of the registry or below a prefix. */
import type {RepositoryName} from '../oci/reference.ts'

const UUID_V4 = /^(?:(.+)\/)?[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Characters of a GUID. */
export const GUID_LENGTH = 36

/** Returns whether a repository has such a name, at the root or below a prefix. */
export function isGuid(repository: RepositoryName): boolean {
  return UUID_V4.test(repository)
}

/** Returns whether a repository has such a name right below this prefix; without one, at the root. */
export function isGuidBelow(prefix: RepositoryName | undefined, repository: RepositoryName): boolean {
  const match = UUID_V4.exec(repository)
  return match !== null && match[1] === prefix
}
