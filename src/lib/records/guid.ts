/** The names that cached images get when none is asked for. */
import type {RepositoryName} from '../oci/reference.ts'

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Returns whether a repository has such a name. */
export function isGuid(repository: RepositoryName): boolean {
  return UUID_V4.test(repository)
}
