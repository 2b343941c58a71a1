/** Why a mirror cannot serve something, told by its cause: what is not its fault, nor the client's, is neither unknown nor a failure of this server. */
import {UpstreamRefusedError, UpstreamUnavailableError} from '../content/pull-through/upstream.ts'
import {hasCode} from '../core/errors.ts'
import {SpecError} from './spec-error.ts'

/** When a client should ask again for what the mirror's own store cannot be read for. */
const STORE_RETRY_SECONDS = '5'

/** Returns what a client is told; undefined for errors of another kind. */
export function mirrorError(error: unknown): SpecError | undefined {
  if (error instanceof UpstreamRefusedError) return new SpecError(403, 'DENIED', error.message, {cause: error})
  if (error instanceof UpstreamUnavailableError) {
    const options = {headers: {'Retry-After': String(error.retryAfterSeconds)}, cause: error}
    return error.isRateLimited
      ? new SpecError(429, 'TOOMANYREQUESTS', error.message, options)
      : new SpecError(503, 'UNAVAILABLE', error.message, options)
  }
  if (hasCode(error, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP', 'RATE_LIMITED', 'REGISTRY_UNAVAILABLE', 'UNAUTHENTICATED', 'DENIED')) {
    return new SpecError(503, 'UNAVAILABLE', `what this mirror has cannot be read now: ${error.message}`, {
      headers: {'Retry-After': STORE_RETRY_SECONDS},
      cause: error,
    })
  }
  return undefined
}
