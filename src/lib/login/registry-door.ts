/** The registry's own answer to who we say we are: `GET /v2/`, which every registry guards (distribution-spec 1.1 §Determining Support). */
import type {HttpClient} from '../http/client.ts'
import {MAX_PING_BODY_BYTES} from '../registries/limits.ts'
import {type LoginAttempt, loginFailure, loginRefusal, type RefusingAnswer} from './attempt.ts'

export interface RegistryDoor {
  readonly http: HttpClient
  readonly base: URL
  readonly signal?: AbortSignal | undefined
}

/**
 * Shows an `Authorization` to the registry; settles when it is let in.
 * @throws {HoldfastError} as `loginRefusal`, and the connection's own errors.
 */
export async function assertLetIn(door: RegistryDoor, attempt: LoginAttempt, authorization: string): Promise<void> {
  const answer = await knock(door, authorization)
  if (answer.status === 200) return
  const url = new URL('/v2/', door.base)
  if (answer.status !== 401 || !authorization.startsWith('Bearer ')) throw loginRefusal(attempt, url, answer)
  throw loginFailure(attempt, 'UNAUTHENTICATED', `${url.host} refuses the token that its own token endpoint gave (401)`, {
    hints: [`holdfast registry check ${attempt.registry}  # its key, issuer or service may not be the token endpoint's`],
    details: {host: url.host, httpStatus: 401},
  })
}

/** Tells whether the registry lets in whoever shows that `Authorization`; a 401 is a no. */
export async function isLetIn(door: RegistryDoor, attempt: LoginAttempt, authorization: string): Promise<boolean> {
  const answer = await knock(door, authorization)
  if (answer.status === 200) return true
  if (answer.status === 401) return false
  throw loginRefusal(attempt, new URL('/v2/', door.base), answer)
}

async function knock({http, base, signal}: RegistryDoor, authorization: string): Promise<RefusingAnswer> {
  const {status, headers, body} = await http.request({
    method: 'GET',
    url: new URL('/v2/', base),
    headers: {authorization},
    maxBodyBytes: MAX_PING_BODY_BYTES,
    ...(signal === undefined ? {} : {signal}),
  })
  return {status, headers, json: parse(body)}
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
