/** What clients of the collector learn of errors: one status for each code, and one form of the body for each of the protocols that it speaks. */
import type {FastifyError, FastifyReply, FastifyRequest} from 'fastify'
import {type ErrorCode, HoldfastError} from '../../core/errors.ts'
import {escapeText} from '../../core/terminal-text.ts'
import type {ServerListener} from '../server-events.ts'

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: 400,
  UNAUTHENTICATED: 401,
  DENIED: 403,
  ACCOUNT_LOCKED: 403,
  OBJECT_NOT_FOUND: 404,
  REPOSITORY_NOT_FOUND: 404,
  MANIFEST_NOT_FOUND: 404,
  UNSUPPORTED: 405,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  NETWORK: 502,
  OVERLOADED: 503,
  REGISTRY_UNAVAILABLE: 503,
  STORAGE: 503,
  TIMEOUT: 504,
}
/** What is wrong with a registry that the caller manages: told to users of the API alone. */
const STATUS_OF_MANAGED: Readonly<Partial<Record<ErrorCode, number>>> = {CONFIGURATION: 409, PLAIN_HTTP: 502, TLS: 502, UNTRUSTED_HOST: 502}
/** What the operator must know of. */
const TOLD: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'STORAGE', 'REGISTRY_UNAVAILABLE'])
/** When a client may ask again that was told nothing better. */
const OUTAGE_RETRY_SECONDS = 5
/** The challenge for a name and a password. */
const BASIC_CHALLENGE = 'Basic realm="holdfast"'

interface Failure {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly hints: readonly string[]
}

/** One protocol's form of a failure. */
export interface FailureForm {
  readonly body: (failure: Failure) => object
  /** Its clients know one outage, 503, whatever does not respond behind this collector. */
  readonly hasOneOutage: boolean
  /** Sent with every failure. */
  readonly headers?: Readonly<Record<string, string>>
}

export const API_FORM: FailureForm = {body: ({code, message, hints}) => ({error: {code, message, hints}}), hasOneOutage: false}

const DISTRIBUTION_CODES: ReadonlyMap<number, string> = new Map([
  [401, 'UNAUTHORIZED'],
  [403, 'DENIED'],
  [404, 'NAME_UNKNOWN'],
  [429, 'TOOMANYREQUESTS'],
  [500, 'UNKNOWN'],
  [503, 'UNAVAILABLE'],
])

/** distribution-spec 1.1 §Error Codes; it has none for 5xx. */
export const DISTRIBUTION_FORM: FailureForm = {
  body: ({status, message}) => ({errors: [{code: DISTRIBUTION_CODES.get(status) ?? 'UNSUPPORTED', message: escapeText(message)}]}),
  hasOneOutage: true,
}

const OAUTH_CODES: ReadonlyMap<number, string> = new Map([
  [401, 'invalid_grant'],
  [429, 'temporarily_unavailable'],
  [500, 'server_error'],
  [503, 'temporarily_unavailable'],
])

/** RFC 6749 §5.2, and §4.1.2.1 for what is not a fault of the request. */
export const OAUTH_FORM: FailureForm = {
  body: ({status, message}) => ({error: OAUTH_CODES.get(status) ?? 'invalid_request', error_description: escapeText(message)}),
  hasOneOutage: true,
}

type FailureHandler = (error: FastifyError | HoldfastError, request: FastifyRequest, reply: FastifyReply) => void

/** Creates the handler of everything that is thrown. What the operator must know of goes to the listener; clients are told no more of it than that it happened. */
export function createFailureHandler(form: FailureForm, listener: ServerListener | undefined): FailureHandler {
  return (error, request, reply) => {
    const {code, message, hints, ...found} = describe(error, request.id, form)
    const status = form.hasOneOutage && found.status > 500 ? 503 : found.status
    if (TOLD.has(code)) listener?.({type: 'failure', requestId: request.id, error})
    const details = error instanceof HoldfastError ? error.details : {}
    const seconds = Number(details.retryAfterSeconds ?? (status === 503 ? OUTAGE_RETRY_SECONDS : 1))
    if (status === 429 || status === 503) reply.header('retry-after', String(Math.ceil(seconds)))
    if (status === 401) reply.header('www-authenticate', BASIC_CHALLENGE)
    reply
      .code(status)
      .headers({...form.headers})
      .send(form.body({status, code, message, hints}))
  }
}

function describe(error: FastifyError | HoldfastError, requestId: string, form: FailureForm): Failure {
  if (!(error instanceof HoldfastError)) {
    const {statusCode: status = 500} = error
    if (status >= 400 && status < 500) return {status, code: 'USAGE', message: 'cannot read the request', hints: []}
  } else if (error.code === 'STORAGE') {
    return {
      status: 503,
      code: 'STORAGE',
      message: `cannot answer: the collector cannot use its database; the log says why under ${requestId}`,
      hints: [],
    }
  } else {
    const {code, message, hints} = error
    const status = STATUS[code] ?? (form === API_FORM ? STATUS_OF_MANAGED[code] : undefined)
    if (status !== undefined) return {status, code, message, hints}
  }
  return {status: 500, code: 'INTERNAL', message: `cannot answer: the log says why under ${requestId}`, hints: []}
}
