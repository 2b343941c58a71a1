/** What a registry tells whoever asks `/v2/` without credentials (distribution-spec 1.1 §Determining Support; RFC 9110 §11.6.1). */
import {parseChallenges} from '../auth/challenge.ts'
import {HoldfastError} from '../core/errors.ts'
import type {HttpClient, HttpHeaders} from '../http/client.ts'
import {MAX_PING_BODY_BYTES} from './limits.ts'

export interface RegistryPing {
  /** `Docker-Distribution-API-Version`, such as `registry/2.0`; the OCI specification does not ask for it. */
  readonly apiVersion?: string
  readonly authScheme: 'none' | 'basic' | 'bearer'
  /** The URL of the token endpoint, or the realm's name for Basic. */
  readonly realm?: string
  readonly service?: string
}

/**
 * Asks `/v2/` once.
 * @throws {HoldfastError} UNSUPPORTED when no registry answers there; REGISTRY_UNAVAILABLE for a server error; RATE_LIMITED; NETWORK, TIMEOUT, TLS, PLAIN_HTTP.
 */
export async function pingRegistry(http: HttpClient, base: URL, signal?: AbortSignal): Promise<RegistryPing> {
  const url = new URL('/v2/', base)
  const {status, headers} = await http.request({
    method: 'GET',
    url,
    maxBodyBytes: MAX_PING_BODY_BYTES,
    ...(signal === undefined ? {} : {signal}),
  })
  const version = headers['docker-distribution-api-version']
  const apiVersion = version === undefined ? {} : {apiVersion: version}
  if (status === 200) return {...apiVersion, authScheme: 'none'}
  const hints = [`curl -i ${url.href}`]
  if (status !== 401) {
    const code = status === 429 ? 'RATE_LIMITED' : status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'UNSUPPORTED'
    throw new HoldfastError(code, `cannot find a registry at "${url.href}": it answers ${status}`, {hints, details: {httpStatus: status}})
  }
  const question = readQuestion(headers)
  if (question !== undefined) return {...apiVersion, ...question}
  throw new HoldfastError('UNSUPPORTED', `cannot log in to "${url.href}": it asks for neither Basic nor Bearer authentication`, {hints})
}

/** How a server asks who one is. */
export interface AuthenticationQuestion {
  readonly authScheme: 'basic' | 'bearer'
  /** The URL of the token endpoint, or the realm's name for Basic. */
  readonly realm?: string
  readonly service?: string
  /** Of the token that is wanted, as it is written in the challenge. */
  readonly scope?: string
}

/** Reads the challenges of a 401; undefined when there is neither Basic nor Bearer among them. */
export function readQuestion(headers: HttpHeaders): AuthenticationQuestion | undefined {
  const challenges = parseChallenges(headers['www-authenticate'] ?? '')
  const bearer = challenges.find(({scheme}) => scheme === 'bearer')
  const chosen = bearer ?? challenges.find(({scheme}) => scheme === 'basic')
  if (chosen === undefined) return undefined
  const {realm, service, scope} = chosen.parameters
  return {
    authScheme: bearer === undefined ? 'basic' : 'bearer',
    ...(realm === undefined ? {} : {realm}),
    ...(service === undefined ? {} : {service}),
    ...(scope === undefined ? {} : {scope}),
  }
}
