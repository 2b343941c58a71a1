/**
 * The one home of undici: small requests to control planes, answered in JSON. Import it where it is used: loading undici costs more than
 * most requests.
 */
import {ByteCollector} from '../core/byte-collector.ts'
import {IntegrityError, interrupted} from '../core/errors.ts'
import type {TlsSettings} from './client.ts'
import {rememberReceived, rememberSent} from './traffic-secrets.ts'
import type {ObservedExchange} from './wire/client.ts'
import {assertReached, ConnectTimeoutError, describeFailure, type ServerHints} from './wire/failures.ts'
import {CONNECT_TIMEOUT_MS} from './wire/limits.ts'

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
  /** What helps where the server cannot be reached; as for a registry when absent. */
  readonly hints?: ServerHints | undefined
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
  const timeout = AbortSignal.timeout(timeoutMs)
  const ended = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const startedAt = performance.now()
  const attempt = {method, url, proxy: request.proxy?.host, hints: request.hints}
  let status: number | undefined
  rememberSent(request.headers ?? {}, form ?? json)
  try {
    const connection = await openConnection(request, ended, timeoutMs)
    try {
      const answer = await connection.send({
        method,
        headers: {
          accept: 'application/json',
          ...(form === undefined ? {} : {'content-type': 'application/x-www-form-urlencoded'}),
          ...(json === undefined ? {} : {'content-type': 'application/json'}),
          ...(body === undefined ? {} : {'content-type': body.type}),
          ...request.headers,
        },
        body: encodeBody(request),
        signal: ended,
      })
      const text = await readText(answer.body, url, maxBodyBytes)
      status = answer.statusCode
      assertReached(status, () => text, attempt)
      const headers = joined(answer.headers)
      rememberReceived(headers, url)
      return {status, headers, json: parse(text)}
    } finally {
      await connection.close()
    }
  } catch (cause) {
    if (signal?.aborted === true) throw interrupted()
    if (timeout.aborted) throw describeFailure(new ConnectTimeoutError(`no answer in time (${timeoutMs / 1000} s at most)`), attempt)
    throw describeFailure(cause instanceof DialError ? cause.cause : cause, attempt)
  } finally {
    request.onExchange?.({method, host: url.host, path: url.pathname, status, durationMs: performance.now() - startedAt})
  }
}

function encodeBody({form, json, body}: JsonRequest): string | Uint8Array | null {
  if (form !== undefined) return new URLSearchParams(form).toString()
  return json === undefined ? (body?.bytes ?? null) : JSON.stringify(json)
}

/** Opening the connection failed; `cause` says how. Undici would try again on some causes. */
class DialError extends Error {
  override readonly name = 'DialError'
}

type SendOptions = Omit<import('undici').Dispatcher.RequestOptions, 'path'>

interface Connection {
  send(options: SendOptions): Promise<import('undici').Dispatcher.ResponseData>
  close(): Promise<void>
}

/** A connection that is made as for registry traffic: proxies, TLS and their failures are the same. */
async function openConnection({url, tls = {}, proxy}: JsonRequest, signal: AbortSignal, timeoutMs: number): Promise<Connection> {
  const [{Client}, {dial, proxyAuthorization}] = await Promise.all([import('undici'), import('./wire/dial.ts')])
  const isForwarded = proxy !== undefined && url.protocol === 'http:'
  const authorization = isForwarded ? proxyAuthorization(proxy) : undefined
  const options = {timeoutMs: Math.min(timeoutMs, CONNECT_TIMEOUT_MS), signal, session: undefined, keepSession: () => {}}
  const client = new Client(url.origin, {
    allowH2: false,
    connect: (_, done) => {
      dial({origin: url, proxy, tls}, undefined, options).then(
        (socket) => done(null, socket),
        (cause: unknown) => done(new DialError('no connection', {cause}), null),
      )
    },
  })
  const path = `${url.pathname}${url.search}`
  return {
    send: ({headers, ...request}) =>
      client.request({
        ...request,
        path: isForwarded ? `${url.origin}${path}` : path,
        headers: {...headers, ...(authorization === undefined ? {} : {'proxy-authorization': authorization})},
      }),
    close: () => client.destroy(),
  }
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
