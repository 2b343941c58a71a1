/** Deleting in a registry (distribution-spec 1.1 §Content Management); many have it switched off. */
import {HoldfastError} from '../../core/errors.ts'
import {MANIFEST_ACCEPT} from '../../oci/media-types.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {headOf} from './head.ts'
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
  if (response.status === 202) return true
  if (response.status >= 200 && response.status < 300 && (await isGone(session, repository, target, action, signal))) return true
  const refusal = session.refusal(action, response)
  // A registry that deletes by digest only answers a tag with 400, as if it were a malformed digest.
  if (response.status !== 405 && response.status !== 400) throw refusal
  throw new HoldfastError('UNSUPPORTED', `${refusal.message}; it does not delete this, or deleting is switched off`, {
    hints: [`holdfast registry check ${session.endpoint.registry}`],
    details: refusal.details,
    cause: refusal,
  })
}

/** The specification's success is 202: every other one may come from a proxy that passed nothing on. */
async function isGone(
  session: RegistrySession,
  repository: RepositoryName,
  target: string,
  action: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const response = await headOf(session, {target, access: deleteAccess(repository), action, headers: {accept: MANIFEST_ACCEPT}, signal})
  return response?.status === 404
}
