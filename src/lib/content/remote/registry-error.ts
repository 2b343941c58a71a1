/** What a registry's refusal means: status and error body (distribution-spec 1.1 §Error Codes) to one of our codes. */
import {decodeRefusal, type Refusal} from '../../auth/refusal.ts'
import {type ErrorCode, RegistryError} from '../../core/errors.ts'
import type {HttpResponse} from '../../http/client.ts'
import type {RegistryHost} from '../../oci/reference.ts'

/** Error bodies are read up to this many bytes. */
export const MAX_ERROR_BODY_BYTES = 64 * 1024

const CODES: Readonly<Record<string, ErrorCode>> = {
  BLOB_UNKNOWN: 'BLOB_NOT_FOUND',
  DENIED: 'DENIED',
  DIGEST_INVALID: 'INTEGRITY',
  MANIFEST_BLOB_UNKNOWN: 'BLOB_NOT_FOUND',
  MANIFEST_INVALID: 'INVALID_MANIFEST',
  MANIFEST_UNKNOWN: 'MANIFEST_NOT_FOUND',
  NAME_UNKNOWN: 'REPOSITORY_NOT_FOUND',
  SIZE_INVALID: 'INTEGRITY',
  TOOMANYREQUESTS: 'RATE_LIMITED',
  UNAUTHORIZED: 'UNAUTHENTICATED',
  UNSUPPORTED: 'UNSUPPORTED',
}

/** The first error of the body, without the secrets; empty when it says nothing that we can read. */
export function readSpecError(response: HttpResponse, secrets: readonly string[] = []): Refusal {
  if (response.body.length === 0 || response.body.length > MAX_ERROR_BODY_BYTES) return {}
  try {
    return decodeRefusal(JSON.parse(response.body.toString('utf8')), secrets)
  } catch {
    return {}
  }
}

/** Makes the error for an answer that is not what was asked for. `action` is `verb "object"`, as in `read manifest "a/b:latest"`; `secrets` were sent, and are masked. */
export function registryError(
  registry: RegistryHost,
  action: string,
  response: HttpResponse,
  hints: readonly string[] = [],
  secrets: readonly string[] = [],
): RegistryError {
  const {code, message} = readSpecError(response, secrets)
  const reason = `${registry} answered ${response.status}${code === undefined ? '' : ` ${code}`}${message === undefined ? '' : ` (${message})`}`
  const ours = codeFor(response.status, code)
  return new RegistryError(ours, `cannot ${action}: ${reason}`, {
    httpStatus: response.status,
    registryCode: code,
    registryMessage: message,
    hints: hints.length > 0 ? hints : hintsFor(ours, registry),
    details: {registry, httpStatus: response.status, ...(code === undefined ? {} : {registryCode: code})},
  })
}

/** What to do about missing or refused credentials. */
export function loginHints(registry: RegistryHost): readonly string[] {
  return [`holdfast login ${registry}`, `docker login ${registry}`]
}

function codeFor(status: number, specCode: string | undefined): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED'
  if (status === 403) return 'DENIED'
  if (status === 429) return 'RATE_LIMITED'
  if (status >= 500) return 'REGISTRY_UNAVAILABLE'
  const named = specCode === undefined ? undefined : CODES[specCode.toUpperCase()]
  if (named !== undefined) return named
  if (status === 405) return 'UNSUPPORTED'
  if (status === 404) return 'REPOSITORY_NOT_FOUND'
  if (status === 409 || status === 412) return 'CONFLICT'
  return status >= 400 ? 'DENIED' : 'UNSUPPORTED'
}

function hintsFor(code: ErrorCode, registry: RegistryHost): readonly string[] {
  if (code === 'UNAUTHENTICATED' || code === 'DENIED') return loginHints(registry)
  return []
}
