/** The one argument that names a repository of a managed registry: REGISTRY/REPOSITORY. */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'

export interface ManagedRepositoryName {
  /** The name of the managed registry. */
  readonly registry: string
  readonly repository: string
}

/**
 * Splits `embedded/users/ann/web`; a tag or digest behind it changes nothing.
 * @throws {HoldfastError} USAGE
 */
export function parseManagedRepository(text: string): ManagedRepositoryName {
  const slash = text.indexOf('/')
  const [registry, repository] = [text.slice(0, Math.max(slash, 0)), text.slice(slash + 1).replace(/(?:@.*|:[^/]*)$/, '')]
  if (registry !== '' && repository !== '') return {registry, repository}
  const isName = slash < 0 && text !== ''
  throw new HoldfastError('USAGE', `cannot read "${text.slice(0, 300)}": it is not REGISTRY/REPOSITORY`, {
    hints: [...(isName ? [shellCommand`holdfast search ${''} --registry ${text}`] : []), 'holdfast registry managed'],
  })
}
