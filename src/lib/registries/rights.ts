/** What may be done in a registry, found out by trying it in a scratch repository and leaving nothing behind. */
import {randomBytes} from 'node:crypto'
import {proveSelfMount} from '../content/remote/self-mount.ts'
import {deleteAccess, pullAccess, type RegistrySession} from '../content/remote/session.ts'
import {UploadSession} from '../content/remote/upload-session.ts'
import {HoldfastError} from '../core/errors.ts'
import {type Digest, digestOf} from '../oci/digest.ts'
import type {RepositoryName} from '../oci/reference.ts'

/** The repository that is tried: no image is ever put there. */
const SCRATCH_REPOSITORY = 'holdfast-check' as RepositoryName
/** A digest that no manifest has, since these bytes are none. */
const ABSENT_MANIFEST = digestOf(Buffer.from('no manifest has the digest of this sentence'))
const PROOF_SIZE_BYTES = 32
/** What `proveSelfMount` puts there. */
const EMPTY_JSON = Buffer.from('{}')
const HTTP_ACCEPTED = 202
const HTTP_CREATED = 201
const HTTP_BAD_REQUEST = 400
const HTTP_NOT_FOUND = 404
const HTTP_METHOD_NOT_ALLOWED = 405
const HTTP_OK = 200
const SCRATCH_PATH = `v2/${SCRATCH_REPOSITORY}`

/**
 * Logs in, with nothing asked for but that.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED, UNTRUSTED_HOST for a realm that is not pinned, or the connection's own error.
 */
export async function assertLogin(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const action = `log in to "${session.endpoint.registry}"`
  const response = await session.send({method: 'GET', target: 'v2/', access: {scopes: []}, action, redirects: 'refuse', signal})
  if (response.status !== HTTP_OK) throw session.refusal(action, response)
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
  if (response.status !== HTTP_OK && response.status !== HTTP_NOT_FOUND) throw session.refusal(action, response)
}

/**
 * Starts an upload and cancels it.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED, UNSUPPORTED (a read-only registry or a mirror), UNTRUSTED_HOST for an upload location that is not pinned.
 */
export async function assertPushAllowed(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const upload = await UploadSession.open(session, SCRATCH_REPOSITORY, pushAction(session), signal)
  if (upload !== 'mounted') await upload.cancel()
}

/**
 * Uploads a few bytes under a digest that is not theirs, and sees whether the registry refuses them. Undefined when its answer says neither.
 * @throws {HoldfastError} as `assertPushAllowed`
 */
export async function refusesWrongDigest(session: RegistrySession, signal?: AbortSignal): Promise<boolean | undefined> {
  const upload = await UploadSession.open(session, SCRATCH_REPOSITORY, pushAction(session), signal)
  if (upload === 'mounted') return undefined
  // Random, so that no registry can know the blob and answer without looking at the bytes.
  const claimed = digestOf(randomBytes(PROOF_SIZE_BYTES))
  const {status} = await upload.complete(claimed, randomBytes(PROOF_SIZE_BYTES), signal)
  if (status === HTTP_CREATED) {
    await tryDeleteBlob(session, claimed)
    return false
  }
  await upload.cancel()
  return status === HTTP_BAD_REQUEST ? true : undefined
}

/**
 * Proves whether a mount from the same repository tells if a blob is there; the blob of two bytes that it takes is deleted again, where that is allowed.
 * @throws {HoldfastError} as `assertPushAllowed`
 */
export async function mountsFromItself(session: RegistrySession, signal?: AbortSignal): Promise<boolean> {
  const mounts = await proveSelfMount(session, SCRATCH_REPOSITORY, signal === undefined ? {} : {signal})
  await tryDeleteBlob(session, digestOf(EMPTY_JSON))
  return mounts
}

function pushAction(session: RegistrySession): string {
  return `push to "${session.endpoint.registry}"`
}

async function tryDeleteBlob(session: RegistrySession, digest: Digest): Promise<void> {
  const target = `${SCRATCH_PATH}/blobs/${digest}`
  const access = deleteAccess(SCRATCH_REPOSITORY)
  await session.send({method: 'DELETE', target, access, action: `delete blob "${digest}"`, attempts: 1}).catch(() => {})
}

/**
 * Deletes a manifest that is not there: 404 is what somebody who may delete is told.
 * @throws {HoldfastError} UNSUPPORTED when the registry deletes nothing; UNAUTHENTICATED, DENIED.
 */
export async function assertDeleteAllowed(session: RegistrySession, signal?: AbortSignal): Promise<void> {
  const action = `delete from "${session.endpoint.registry}"`
  const target = `${SCRATCH_PATH}/manifests/${ABSENT_MANIFEST}`
  const response = await session.send({method: 'DELETE', target, access: deleteAccess(SCRATCH_REPOSITORY), action, signal})
  if (response.status === HTTP_NOT_FOUND || response.status === HTTP_ACCEPTED) return
  if (response.status !== HTTP_METHOD_NOT_ALLOWED) throw session.refusal(action, response)
  throw new HoldfastError('UNSUPPORTED', `cannot ${action}: it answers 405, deleting is switched off`, {
    hints: ['REGISTRY_STORAGE_DELETE_ENABLED=true   # for docker-registry, or storage.delete.enabled in its configuration'],
    details: {httpStatus: response.status},
  })
}
