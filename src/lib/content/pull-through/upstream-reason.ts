/** Why an upstream gave no answer, in words that its operator can check. */
import type {HoldfastError} from '../../core/errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  TIMEOUT: 'does not answer in time',
  TLS: 'cannot be trusted',
  PLAIN_HTTP: 'speaks plain HTTP',
  REGISTRY_UNAVAILABLE: 'answers with a server error',
  RATE_LIMITED: 'asks to slow down',
  NETWORK: 'cannot be reached',
}

/** `cannot be reached: connection refused`. */
export function upstreamReason({code, message}: HoldfastError): string {
  const summary = REASONS[code] ?? 'cannot be asked'
  // Messages are `cannot <verb> "<object>": <reason>`; the object is the client's request, told beside it.
  const [, detail = ''] = /^cannot [^"]*"[^"]*": (.+)$/s.exec(message) ?? []
  return detail === '' ? summary : `${summary}: ${detail}`
}
