/**
 * The one home of undici: small requests to token endpoints and control planes, answered in JSON. Import it where it is used: loading undici costs more than
 * most requests.
 */
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError, IntegrityError, interrupted} from '../core/errors.ts'
import type {TlsSettings} from './client.ts'
import type {ObservedExchange} from './wire/client.ts'
import {describeFailure} from './wire/failures.ts'
import {secureContextFor, withSystemTrust} from './wire/secure-context.ts'

/** An answer with a token is far smaller; whatever is larger is no such answer. */
export const MAX_JSON_BODY_BYTES = 64 * 1024
/** From the first byte sent to the last one received. */
const JSON_TIMEOUT_MS = 30_000

export interface JsonRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as `application/x-www-form-urlencoded`; POST only. */
  readonly form?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: object
  /** Sent as it is. */
  readonly body?: {readonly type: string; readonly bytes: Uint8Array}
  /** `MAX_JSON_BODY_BYTES` when absent. */
  readonly maxBodyBytes?: number
  readonly tls?: TlsSettings
  readonly proxy?: URL | undefined
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number
  readonly onExchange?: ((exchange: ObservedExchange) => void) | undefined
}

export interface JsonResponse {
  readonly status: number
  /** Lower-case names; a header that came several times is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed body; undefined when it is not JSON. */
  readonly json: unknown
}

/**
 * Sends one request on a connection of its own. Follows no redirect, retries nothing; every status is an ordinary answer.
 * @throws {HoldfastError} NETWORK, TIMEOUT, TLS, PLAIN_HTTP, INTERRUPTED; INTEGRITY for a body above `MAX_JSON_BODY_BYTES`.
 */
export async function requestJson(request: JsonRequest): Promise<JsonResponse> {
  const {method, url, form, json, body, signal, timeoutMs = JSON_TIMEOUT_MS, maxBodyBytes = MAX_JSON_BODY_BYTES} = request
  const {errors, request: send} = await import('undici')
  const timeout = AbortSignal.timeout(timeoutMs)
  const startedAt = performance.now()
  let status: number | undefined
  const attempt = async (): Promise<JsonResponse> => {
    const dispatcher = await createDispatcher(request)
    try {
      const answer = await send(url, {
        method,
        dispatcher,
        headers: {
          accept: 'application/json',
          ...(form === undefined ? {} : {'content-type': 'application/x-www-form-urlencoded'}),
          ...(json === undefined ? {} : {'content-type': 'application/json'}),
          ...(body === undefined ? {} : {'content-type': body.type}),
          ...request.headers,
        },
        body: encodeBody(request),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      })
      const text = await readText(answer.body, url, maxBodyBytes)
      status = answer.statusCode
      return {status, headers: joined(answer.headers), json: parse(text)}
    } finally {
      await dispatcher.destroy()
    }
  }
  try {
    // A certificate is refused before anything was sent.
    return await withSystemTrust(attempt)
  } catch (cause) {
    if (signal?.aborted === true) throw interrupted()
    if (timeout.aborted || cause instanceof errors.ConnectTimeoutError) {
      throw new HoldfastError(
        'TIMEOUT',
        `cannot ${method} "${url.origin}${url.pathname}": no answer in time (${timeoutMs / 1000} s at most)`,
      )
    }
    throw describeFailure(cause, {method, url, proxy: request.proxy?.host})
  } finally {
    request.onExchange?.({method, host: url.host, path: url.pathname, status, durationMs: performance.now() - startedAt})
  }
}

function encodeBody({form, json, body}: JsonRequest): string | Uint8Array | null {
  if (form !== undefined) return new URLSearchParams(form).toString()
  return json === undefined ? (body?.bytes ?? null) : JSON.stringify(json)
}

/** The client certificate is for the origin: the proxy's own TLS never gets it. */
async function createDispatcher(request: JsonRequest): Promise<import('undici').Dispatcher> {
  const {Agent, ProxyAgent} = await import('undici')
  const connect = request.url.protocol === 'https:' ? await connectOptions(request.tls ?? {}) : {}
  const limits = {allowH2: false}
  const {proxy} = request
  if (proxy === undefined) return new Agent({...limits, connect})
  const credentials = proxy.username === '' ? undefined : `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return new ProxyAgent({
    ...limits,
    uri: proxy.origin,
    requestTls: connect,
    ...(credentials === undefined ? {} : {token: `Basic ${Buffer.from(credentials).toString('base64')}`}),
  })
}

async function connectOptions(settings: TlsSettings): Promise<import('undici').buildConnector.BuildOptions> {
  const tls = await import('node:tls')
  return {secureContext: secureContextFor(tls, settings), rejectUnauthorized: settings.insecure !== true}
}

async function readText(body: AsyncIterable<Uint8Array>, url: URL, maxBytes: number): Promise<string> {
  const collected = new ByteCollector(maxBytes)
  for await (const chunk of body) {
    if (collected.add(chunk)) continue
    throw new IntegrityError(`cannot read "${url.origin}${url.pathname}": the answer has more than ${maxBytes} bytes`)
  }
  return collected.bytes.toString('utf8')
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Readonly<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  }
  return all
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
