/**
 * The registry's own answer to who we say we are: `GET /v2/`, which most registries guard (distribution-spec 1.1 §Determining Support), or the tags of a repository where
 * only repositories are guarded.
 */
import {parseChallenges} from '../auth/challenge.ts'
import type {HttpClient} from '../http/client.ts'
import type {RepositoryName} from '../oci/reference.ts'
import {MAX_PING_BODY_BYTES} from '../registries/limits.ts'
import {askJson} from './ask-json.ts'
import {type LoginAttempt, loginFailure, loginRefusal, type RefusingAnswer} from './attempt.ts'

export interface RegistryDoor {
  readonly http: HttpClient
  /** What is guarded. */
  readonly url: URL
  /** The repository that it is of; absent for the whole registry. */
  readonly repository?: RepositoryName | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Shows an `Authorization` to the registry; settles when it is let in.
 * @throws {HoldfastError} as `loginRefusal`; DENIED when the account may not read the repository; the connection's own errors.
 */
export async function assertLetIn(door: RegistryDoor, attempt: LoginAttempt, authorization: string): Promise<void> {
  const answer = await knock(door, attempt, authorization)
  if (isAcceptance(door, answer)) return
  if (answer.status !== 401 || !authorization.startsWith('Bearer ')) throw loginRefusal(attempt, door.url, answer)
  throw loginFailure(attempt, 'UNAUTHENTICATED', `${door.url.host} refuses the token that its own token endpoint gave (401)`, {
    hints: [`holdfast registry check ${attempt.registry}  # its key, issuer or service may not be the token endpoint's`],
    details: {host: door.url.host, httpStatus: 401},
  })
}

/** Tells whether the registry lets in whoever shows that `Authorization`; a 401 is a no. */
export async function isLetIn(door: RegistryDoor, attempt: LoginAttempt, authorization: string): Promise<boolean> {
  const answer = await knock(door, attempt, authorization)
  if (isAcceptance(door, answer)) return true
  if (answer.status === 401) return false
  throw loginRefusal(attempt, door.url, answer)
}

/** A repository that is not there is told to an account that may read it. */
function isAcceptance({repository}: RegistryDoor, {status}: RefusingAnswer): boolean {
  return status === 200 || (status === 404 && repository !== undefined)
}

async function knock({http, url, repository, signal}: RegistryDoor, attempt: LoginAttempt, authorization: string): Promise<RefusingAnswer> {
  const answer = await askJson(http, {method: 'GET', url, headers: {authorization}, maxBodyBytes: MAX_PING_BODY_BYTES, signal})
  if (repository === undefined || !isWithoutRight(answer)) return answer
  throw loginFailure(attempt, 'DENIED', `${url.host} knows the account, which may not read "${repository}" (${answer.status})`, {
    hints: [`holdfast login ${attempt.registry}  # for the whole registry: kept without proof`],
    details: {host: url.host, httpStatus: answer.status},
  })
}

/** RFC 6750 §3.1. */
function isWithoutRight({status, headers}: RefusingAnswer): boolean {
  const challenges = status === 401 ? parseChallenges(headers['www-authenticate'] ?? '') : []
  return status === 403 || challenges.some(({parameters}) => parameters.error === 'insufficient_scope')
}
