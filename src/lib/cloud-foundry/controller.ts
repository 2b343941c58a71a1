/**
 * Requests to a Cloud Controller (API v3): with a token of the session, its errors as ours, its rate limits waited for within bounds, its lists whole or not at all.
 * Bodies of answers are in no error and no log: some echo every variable of an app.
 */
import {formatSeconds} from '../core/duration.ts'
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {MAX_RETRY_AFTER_MS, parseRetryAfter} from '../core/retry.ts'
import type {Secret} from '../core/secret.ts'
import type {JsonRequest, JsonResponse} from '../http/json-client.ts'
import type {Session} from './session.ts'
import {type CloudFoundryNetwork, foundationHints} from './uaa.ts'

/** A page of 5,000 apps is a few MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const PAGE_SIZE = '500'
/** cf repeats what is no POST twice after a server error. */
const MAX_REPETITIONS = 2
const REPETITION_DELAY_MS = 500
const SERVER_ERRORS: readonly number[] = [500, 502, 503, 504]
/** How long one request may wait for a foundation that asks to slow down, in all. */
const MAX_RATE_LIMIT_WAIT_MS = 60_000
const DEFAULT_RATE_LIMIT_WAIT_MS = 5_000
/** Also where it says 0: each refusal brings the end nearer. */
const MIN_RATE_LIMIT_WAIT_MS = 500

/** CF-InvalidAuthToken and CF-NotAuthenticated. */
const TOKEN_ERRORS: readonly number[] = [1000, 10002]
const FEATURE_DISABLED = 330002

interface ControllerRequest {
  readonly query?: Readonly<Record<string, string>>
  readonly json?: object
  /** What is no JSON: a manifest, the files of an app. */
  readonly body?: {readonly type: string; readonly bytes: Uint8Array}
  /** For messages: `stage app "shop"`. */
  readonly purpose: string
}

export interface Controller {
  readonly api: string
  /**
   * Sends a request; answers the body.
   * @param path from the root, such as `/v3/apps`, or a URL of the same foundation.
   * @throws {HoldfastError} UNAUTHENTICATED; DENIED; OBJECT_NOT_FOUND for 404; PLATFORM_REFUSED with `details.cfCode`, `cfTitle` for another refusal; RATE_LIMITED;
   * REGISTRY_UNAVAILABLE; NETWORK, TIMEOUT, TLS; INTERRUPTED.
   */
  send(method: JsonRequest['method'], path: string | URL, request: ControllerRequest): Promise<unknown>
  /** The same for what is done later: answers where its job is, undefined when it is done. @throws {HoldfastError} as `send`. */
  begin(method: JsonRequest['method'], path: string | URL, request: ControllerRequest): Promise<string | undefined>
  /**
   * The entries of a list, page after page; a page that fails fails the list.
   * @throws {HoldfastError} as `send`; UNTRUSTED_HOST for a next page elsewhere.
   */
  list(path: string, request: Omit<ControllerRequest, 'json'>): AsyncGenerator<unknown>
}

export interface ControllerOptions {
  readonly api: string
  readonly insecure: boolean
  readonly session: Session
  readonly network: CloudFoundryNetwork
  /** Told of what the foundation warns of. */
  readonly onWarning?: ((warning: string) => void) | undefined
}

export function createController({api, insecure, session, network, onWarning}: ControllerOptions): Controller {
  const origin = new URL(api)

  type Content = Pick<ControllerRequest, 'json' | 'body'>

  const sendOnce = async (method: JsonRequest['method'], url: URL, token: Secret, {json, body}: Content): Promise<JsonResponse> => {
    const {requestJson} = await import('../http/json-client.ts')
    const {proxyFor, ca, signal, userAgent, onExchange} = network
    return await requestJson({
      method,
      url,
      headers: {authorization: `bearer ${token.reveal()}`, ...(userAgent === undefined ? {} : {'user-agent': userAgent})},
      ...(json === undefined ? {} : {json}),
      ...(body === undefined ? {} : {body}),
      maxBodyBytes: MAX_ANSWER_BYTES,
      tls: {insecure, ...(ca === undefined ? {} : {ca})},
      proxy: proxyFor?.(url),
      hints: foundationHints(url),
      signal,
      onExchange,
    })
  }

  const exchange = async (
    method: JsonRequest['method'],
    path: string | URL,
    {query = {}, json, body, purpose}: ControllerRequest,
  ): Promise<JsonResponse> => {
    const url = new URL(path, origin)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    let token = await session.accessToken()
    let hasRenewed = false
    let repetitions = 0
    let waitedMs = 0
    for (;;) {
      const answer = await sendOnce(method, url, token, {...(json === undefined ? {} : {json}), ...(body === undefined ? {} : {body})})
      for (const warning of warningsOf(answer)) onWarning?.(warning)
      const {status} = answer
      if (status >= 200 && status < 300) return answer
      const errors = errorsOf(answer.json)
      if (status === 401 && !hasRenewed && (errors.length === 0 || errors.some(({code}) => TOKEN_ERRORS.includes(code)))) {
        hasRenewed = true
        token = await session.renew(token)
      } else if (status === 429) {
        const toldMs = rateLimitWaitMs(answer.headers, network.now().getTime())
        const waitMs = Math.max(MIN_RATE_LIMIT_WAIT_MS, toldMs ?? DEFAULT_RATE_LIMIT_WAIT_MS)
        waitedMs += waitMs
        if (waitedMs > MAX_RATE_LIMIT_WAIT_MS) throw rateLimited(failureOf(api, purpose, status, errors), toldMs)
        await network.sleep(waitMs)
      } else if (method !== 'POST' && SERVER_ERRORS.includes(status) && repetitions < MAX_REPETITIONS) {
        repetitions++
        await network.sleep(REPETITION_DELAY_MS * repetitions)
      } else throw failureOf(api, purpose, status, errors)
    }
  }

  const send: Controller['send'] = async (method, path, request) => (await exchange(method, path, request)).json

  return {
    api,
    send,
    async begin(method, path, request) {
      const {status, headers} = await exchange(method, path, request)
      const {location} = headers
      if (status !== 202 || location === undefined) return undefined
      return nextPage(location, origin, request.purpose).pathname
    },
    async *list(path, {query = {}, purpose}) {
      let next: string | URL | undefined = path
      let values: Readonly<Record<string, string>> = {per_page: PAGE_SIZE, ...query}
      while (next !== undefined) {
        const page: unknown = await send('GET', next, {query: values, purpose})
        const resources: unknown = Reflect.get(Object(page), 'resources')
        const pagination: unknown = Reflect.get(Object(page), 'pagination')
        if (!Array.isArray(resources) || typeof pagination !== 'object' || pagination === null) {
          throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot ${purpose}: "${api}" does not answer as a Cloud Controller does`)
        }
        yield* resources
        const href: unknown = Reflect.get(Object(Reflect.get(pagination, 'next')), 'href')
        next = typeof href === 'string' ? nextPage(href, origin, purpose) : undefined
        values = {}
      }
    },
  }
}

/** A list, or a job, leads nowhere else: the token would go along. */
function nextPage(href: string, origin: URL, purpose: string): URL {
  const url = new URL(href, origin)
  if (url.origin === origin.origin) return url
  throw new HoldfastError('UNTRUSTED_HOST', `cannot ${purpose}: what it names next is at "${url.origin}", and not at "${origin.origin}"`)
}

interface ControllerError {
  readonly code: number
  readonly title: string
  readonly detail: string
}

function errorsOf(json: unknown): readonly ControllerError[] {
  const errors: unknown = Reflect.get(Object(json), 'errors')
  // As the network policy server says it.
  const error: unknown = Reflect.get(Object(json), 'error')
  if (typeof error === 'string') return [{code: 0, title: '', detail: excerpt(error)}]
  if (!Array.isArray(errors)) return []
  return errors.map((error: unknown) => {
    const [code, title, detail]: unknown[] = ['code', 'title', 'detail'].map((name): unknown => Reflect.get(Object(error), name))
    return {code: Number(code), title: excerpt(String(title ?? '')), detail: excerpt(String(detail ?? ''))}
  })
}

function failureOf(api: string, purpose: string, httpStatus: number, errors: readonly ControllerError[]): HoldfastError {
  const [first] = errors
  const said = errors.map(({detail, title}) => (detail === '' ? title : detail)).join('; ')
  const {code, hints} = meaningOf(httpStatus, errors)
  return new HoldfastError(code, `cannot ${purpose} at "${api}": ${said === '' ? 'it answered' : said} (${httpStatus})`, {
    hints,
    details: {httpStatus, ...(first === undefined ? {} : {cfCode: first.code, cfTitle: first.title})},
  })
}

/** How long the foundation asks to wait, in milliseconds; undefined when it does not say (Cloud Controller, rate limits: both headers, the second in seconds since 1970). */
function rateLimitWaitMs(headers: JsonResponse['headers'], nowMs: number): number | undefined {
  const told = parseRetryAfter(headers['retry-after'], nowMs)
  const reset = headers['x-ratelimit-reset'] ?? ''
  return told ?? (/^[0-9]{1,12}$/.test(reset) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, Number(reset) * 1000 - nowMs)) : undefined)
}

function rateLimited({code, message, details}: HoldfastError, waitMs: number | undefined): HoldfastError {
  const when = !waitMs ? 'it does not say how long' : `it takes requests again in ${formatSeconds(waitMs / 1000)}`
  const hints = !waitMs ? [] : [`sleep ${Math.ceil(waitMs / 1000)}   # then the same command again`]
  return new HoldfastError(code, `${message}; ${when}`, {
    hints,
    details: {...details, ...(waitMs === undefined ? {} : {retryAfterMs: waitMs})},
  })
}

function meaningOf(status: number, errors: readonly ControllerError[]): {readonly code: ErrorCode; readonly hints: readonly string[]} {
  if (errors.some(({code}) => code === FEATURE_DISABLED)) {
    const flag = errors.some(({detail}) => detail.includes('env_var_visibility')) ? 'env_var_visibility' : 'diego_docker'
    return {code: 'DENIED', hints: [`cf enable-feature-flag ${flag}   # by an administrator`]}
  }
  if (status === 401) return {code: 'UNAUTHENTICATED', hints: ['cf login', 'holdfast login --cf API']}
  if (status === 403) return {code: 'DENIED', hints: ['cf target', 'cf space-users ORG SPACE']}
  if (status === 404) return {code: 'OBJECT_NOT_FOUND', hints: ['cf target', 'cf apps']}
  if (status === 429) return {code: 'RATE_LIMITED', hints: []}
  if (status >= 500) return {code: 'REGISTRY_UNAVAILABLE', hints: []}
  return {code: 'PLATFORM_REFUSED', hints: []}
}

/** URL-encoded, several with commas between them (API v3, `X-Cf-Warnings`). */
function warningsOf({headers}: JsonResponse): readonly string[] {
  const header = headers['x-cf-warnings']
  if (header === undefined || header === '') return []
  return header.split(',').map((warning) => {
    try {
      return excerpt(decodeURIComponent(warning.trim().replaceAll('+', ' ')))
    } catch {
      return excerpt(warning.trim())
    }
  })
}
