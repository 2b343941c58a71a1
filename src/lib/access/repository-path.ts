/** Repository names as the access policy reads them: whose namespace is it? Names are compared as they are written and never normalised. */
import {isRepositoryName} from '../oci/reference.ts'

/** `users/…`, `groups/…` and `apps/…` belong to somebody; everything else to the registry. */
export type OwnedClass = 'users' | 'groups' | 'apps'

/** What stands for the owner of a path that belongs to the registry, where owners are kept: no name holds these characters. */
export const ROOT_OWNER = '(root)'

export type RepositoryPath =
  /** `owner` is the second component as it is written: an id when it is a number without leading zeros, else a name. */
  | {readonly kind: 'owned'; readonly class: OwnedClass; readonly owner: string}
  | {readonly kind: 'other'}
  /** `users`, `users/1`: the namespace itself is no repository. */
  | {readonly kind: 'reserved'}
  | {readonly kind: 'invalid'}

const MAX_NAME_LENGTH = 255
const OWNED: ReadonlySet<string> = new Set<OwnedClass>(['users', 'groups', 'apps'])

export function classifyPath(name: string): RepositoryPath {
  if (name.length > MAX_NAME_LENGTH || !isRepositoryName(name)) return {kind: 'invalid'}
  const [first = '', owner, ...rest] = name.split('/')
  if (!isOwnedClass(first)) return {kind: 'other'}
  if (owner === undefined || rest.length === 0) return {kind: 'reserved'}
  return {kind: 'owned', class: first, owner}
}

/** The id that an owner's component is; undefined for a name. A number with leading zeros is neither: names are not all digits. */
export function ownerId(owner: string): number | undefined {
  if (!/^[1-9][0-9]*$/.test(owner)) return undefined
  const id = Number(owner)
  return Number.isSafeInteger(id) ? id : undefined
}

function isOwnedClass(component: string): component is OwnedClass {
  return OWNED.has(component)
}
