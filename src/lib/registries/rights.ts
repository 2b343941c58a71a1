/** What may be done in a registry, found out by trying it in a scratch repository and leaving nothing behind. */
import {deleteAccess, pullAccess, pushAccess, type RegistrySession} from '../content/remote/session.ts'
import {HoldfastError} from '../core/errors.ts'
import {digestOf} from '../oci/digest.ts'
import type {RepositoryName} from '../oci/reference.ts'

/** The repository that is tried: no image is ever put there. */
export const SCRATCH_REPOSITORY = 'holdfast-check' as RepositoryName
/** A digest that no manifest has, since these bytes are none. */
const ABSENT_MANIFEST = digestOf(Buffer.from('no manifest has the digest of this sentence'))
const SCRATCH_PATH = `v2/${SCRATCH_REPOSITORY}`

/**
 * Logs in, with nothing asked for but that.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED, UNTRUSTED_HOST for a realm that is not pinned, or the connection's own error.
 */
export async function assertLogin(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const action = `log in to "${session.endpoint.registry}"`
  const response = await session.send({method: 'GET', target: 'v2/', access: {scopes: []}, action, signal})
  if (response.status !== 200) throw session.refusal(action, response)
}

/**
 * Reads a repository that is not there: 404 is what somebody who may read is told.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED, or the connection's own error.
 */
export async function assertPullAllowed(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const action = `read from "${session.endpoint.registry}"`
  const response = await session.send({
    method: 'HEAD',
    target: `${SCRATCH_PATH}/manifests/latest`,
    access: pullAccess(SCRATCH_REPOSITORY),
    action,
    signal,
  })
  if (response.status !== 200 && response.status !== 404) throw session.refusal(action, response)
}

/**
 * Starts an upload and cancels it.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED, UNSUPPORTED (a read-only registry or a mirror), UNTRUSTED_HOST for an upload location that is not pinned.
 */
export async function assertPushAllowed(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const access = pushAccess(SCRATCH_REPOSITORY)
  const action = `push to "${session.endpoint.registry}"`
  const started = await session.send({method: 'POST', target: `${SCRATCH_PATH}/blobs/uploads/`, access, action, signal})
  const location = started.headers.location
  if (started.status !== 202 || location === undefined) throw session.refusal(action, started)
  const upload = session.trusted(location, started.url, 'upload location')
  // A registry that cannot cancel forgets the upload by itself in time.
  await session.send({method: 'DELETE', target: upload, access, action: 'cancel an upload', signal}).catch(() => {})
}

/**
 * Deletes a manifest that is not there: 404 is what somebody who may delete is told.
 * @throws {HoldfastError} UNSUPPORTED when the registry deletes nothing; UNAUTHENTICATED, DENIED.
 */
export async function assertDeleteAllowed(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const action = `delete from "${session.endpoint.registry}"`
  const target = `${SCRATCH_PATH}/manifests/${ABSENT_MANIFEST}`
  const response = await session.send({method: 'DELETE', target, access: deleteAccess(SCRATCH_REPOSITORY), action, signal})
  if (response.status === 404 || response.status === 202) return
  if (response.status !== 405) throw session.refusal(action, response)
  throw new HoldfastError('UNSUPPORTED', `cannot ${action}: it answers 405, deleting is switched off`, {
    hints: ['REGISTRY_STORAGE_DELETE_ENABLED=true   # for docker-registry, or storage.delete.enabled in its configuration'],
    details: {httpStatus: response.status},
  })
}
