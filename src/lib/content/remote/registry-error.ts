/** What a refusal means: status and error body (distribution-spec 1.1 §Error Codes) to one of our codes, and a reason where the status is rare. */
import {decodeRefusal, type Refusal} from '../../auth/refusal.ts'
import {type ErrorCode, RegistryError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import {parseRetryAfter} from '../../core/retry.ts'
import type {HttpResponse} from '../../http/client.ts'
import type {RegistryHost} from '../../oci/reference.ts'

/** Error bodies are read up to this many bytes. */
export const MAX_ERROR_BODY_BYTES = 64 * 1024

/** Who has answered, where that is not the registry itself. */
export interface Answerer {
  readonly kind: 'token endpoint' | 'blob store'
  readonly host: string
}

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

interface Meaning {
  readonly code: ErrorCode
  /** What the number alone does not tell people. */
  readonly reason?: string
  /** What the body says does not count: it is mostly that of a proxy. */
  readonly isDecisive?: boolean
  /** The same request soon after is answered the same. */
  readonly isLasting?: boolean
}

/** Statuses that say nothing of who asks. */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  401: {code: 'UNAUTHENTICATED', isDecisive: true},
  403: {code: 'DENIED', isDecisive: true},
  404: {code: 'REPOSITORY_NOT_FOUND'},
  407: {code: 'CONFIGURATION', reason: 'a proxy before it wants credentials', isDecisive: true},
  408: {code: 'TIMEOUT', reason: 'it has waited too long for the request', isDecisive: true},
  409: {code: 'CONFLICT'},
  410: {code: 'REPOSITORY_NOT_FOUND'},
  411: {code: 'UNSUPPORTED', reason: 'it, or a proxy before it, wants to know the length of a body beforehand'},
  412: {code: 'CONFLICT'},
  413: {
    code: 'UNSUPPORTED',
    reason: 'a proxy before it, or itself, limits the size of a request (client_max_body_size in nginx)',
    isDecisive: true,
  },
  414: {code: 'UNSUPPORTED', reason: 'the URL is too long for it'},
  415: {code: 'UNSUPPORTED', reason: 'it does not take this media type'},
  421: {
    code: 'UNSUPPORTED',
    reason: 'the connection leads to another server than the one for this host: ask the operator of the proxy before it',
  },
  425: {code: 'REGISTRY_UNAVAILABLE', reason: 'it does not take requests so early in a connection', isDecisive: true},
  426: {code: 'UNSUPPORTED', reason: 'it wants another protocol'},
  428: {code: 'UNSUPPORTED', reason: 'it wants a condition with each change, so that none is overwritten'},
  429: {code: 'RATE_LIMITED', isDecisive: true},
  431: {code: 'UNSUPPORTED', reason: 'the headers are too large for it: usually a token with very many rights'},
  501: {code: 'UNSUPPORTED', isDecisive: true},
  505: {code: 'UNSUPPORTED', isDecisive: true},
  507: {code: 'REGISTRY_UNAVAILABLE', reason: 'it has no space left', isDecisive: true, isLasting: true},
}

/** The first error of the body; empty when it says nothing that we can read. */
export function readSpecError(response: HttpResponse): Refusal {
  if (response.body.length === 0 || response.body.length > MAX_ERROR_BODY_BYTES) return {}
  const text = response.body.toString('utf8')
  try {
    return decodeRefusal(JSON.parse(text))
  } catch {
    return decodeXmlError(text)
  }
}

/** How S3, Google's and Azure's stores answer: `<Error><Code>AccessDenied</Code><Message>…`. */
function decodeXmlError(text: string): Refusal {
  const [, code] = /<Error>[\s\S]*?<Code>([A-Za-z.]{1,64})<\/Code>/.exec(text) ?? []
  const [, message] = /<Message>([^<]{1,1000})<\/Message>/.exec(text) ?? []
  if (code === undefined) return {}
  return {code, ...(message === undefined ? {} : {message: excerpt(message)})}
}

/** Makes the error for an answer that is not what was asked for. `action` is `verb "object"`, as in `read manifest "a/b:latest"`. */
export function registryError(registry: RegistryHost, action: string, response: HttpResponse, answerer?: Answerer): RegistryError {
  const {code, message} = readSpecError(response)
  const {code: ours, reason, isLasting} = meaningOf(response.status, code, answerer, message !== undefined)
  const retryAfterMs = parseRetryAfter(response.headers['retry-after'], Date.now())
  const who = answerer === undefined ? registry : `${answerer.kind} "${answerer.host}"`
  const said = `${who} answered ${response.status}${code === undefined ? '' : ` ${code}`}${message === undefined ? '' : ` (${message})`}`
  return new RegistryError(ours, `cannot ${action}: ${said}${reason === undefined ? '' : `; ${reason}${protocol(response)}`}`, {
    httpStatus: response.status,
    registryCode: code,
    registryMessage: message,
    hints: hintsFor(response.status, ours, registry, answerer),
    details: {
      registry,
      httpStatus: response.status,
      ...(code === undefined ? {} : {registryCode: code}),
      ...(retryAfterMs === undefined ? {} : {retryAfterMs}),
      ...(isLasting === true ? {gaveUp: true} : {}),
      ...(answerer === undefined ? {} : {host: answerer.host}),
    },
  })
}

/** What to do about missing or refused credentials. */
export function loginHints(registry: RegistryHost): readonly string[] {
  return [`holdfast login ${registry}`, `docker login ${registry}`]
}

/** The codes of the specification are the registry's words: elsewhere they mean nothing. */
function meaningOf(status: number, specCode: string | undefined, answerer: Answerer | undefined, isExplained: boolean): Meaning {
  const known = MEANINGS[status]
  if (known?.isDecisive === true) return known
  if (status >= 500) return {code: 'REGISTRY_UNAVAILABLE'}
  const named = specCode === undefined || answerer?.kind === 'token endpoint' ? undefined : CODES[specCode.toUpperCase()]
  if (named !== undefined) return {code: named}
  if (status === 404 && answerer?.kind === 'token endpoint')
    return {code: 'UNSUPPORTED', reason: 'there is no token endpoint at that address'}
  if (known !== undefined) return known
  return {code: 'UNSUPPORTED', ...(status >= 400 && !isExplained ? {reason: 'it does not take this request from any account'} : {})}
}

/** With a 426: which protocol (RFC 9110 §15.5.22). */
function protocol({status, headers}: HttpResponse): string {
  return status === 426 && headers.upgrade !== undefined ? `: ${excerpt(headers.upgrade)}` : ''
}

function hintsFor(status: number, code: ErrorCode, registry: RegistryHost, answerer: Answerer | undefined): readonly string[] {
  if (status === 407) return ['export HTTPS_PROXY=http://USER:PASSWORD@PROXY:3128']
  if (code !== 'UNAUTHENTICATED' && code !== 'DENIED') return []
  if (answerer?.kind === 'blob store')
    return [`date -u  # ${answerer.host} takes no signed URL when a clock is wrong, here or at ${registry}`]
  return loginHints(registry)
}
