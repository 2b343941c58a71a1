/** Deleting in a registry (distribution-spec 1.1 §Content Management); many have it switched off. */
import {HoldfastError} from '../../core/errors.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {deleteAccess, type RegistrySession} from './session.ts'

/**
 * Deletes what is at `target`; answers whether there was something. `action` is `verb "object"`.
 * @throws {HoldfastError} UNSUPPORTED when the registry does not delete that; UNAUTHENTICATED, DENIED.
 */
export async function deleteAt(
  session: RegistrySession,
  repository: RepositoryName,
  target: string,
  action: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const response = await session.send({method: 'DELETE', target, access: deleteAccess(repository), action, signal})
  if (response.status === 404) return false
  if (response.status >= 200 && response.status < 300) return true
  const refusal = session.refusal(action, response)
  // A registry that deletes by digest only answers a tag with 400, as if it were a malformed digest.
  if (response.status !== 405 && response.status !== 400) throw refusal
  throw new HoldfastError('UNSUPPORTED', `${refusal.message}; it does not delete this, or deleting is switched off`, {
    hints: [`holdfast registry check ${session.endpoint.registry}`],
    details: refusal.details,
    cause: refusal,
  })
}
