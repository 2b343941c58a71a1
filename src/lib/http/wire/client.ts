/**
 * The HTTP client for registry traffic: HTTP/1.1 over sockets of our own, so that body bytes meet no parser, no stream and no promise.
 * @see RFC 9110, RFC 9112
 */

import type {AddressGuard} from '../../core/address-policy.ts'
import {HoldfastError, interrupted} from '../../core/errors.ts'
import {MINIMUM_RATE, type MinimumRate, RateWatch} from '../../core/rate-watch.ts'
import type {HttpClient, HttpRequest, HttpResponse, TlsSettings} from '../client.ts'
import {rememberReceived, rememberSent} from '../traffic-secrets.ts'
import {WireConnection, type WireStatistics} from './connection.ts'
import {ConnectionPool} from './connection-pool.ts'
import {dial, hostOf, proxyAuthorization, type Route} from './dial.ts'
import {exchange, type Line} from './exchange.ts'
import {assertReached} from './failures.ts'
import {isAllowed, ProxiedNames, type ResolveHost} from './guarded-lookup.ts'
import {CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS, KEEP_ALIVE_MS} from './limits.ts'
import {BufferPool} from './read-buffer.ts'

/** What `--debug` shows of one exchange: no header, no query, no body. */
export interface ObservedExchange {
  readonly method: string
  readonly host: string
  /** Without the query, which may hold a signature or a token. */
  readonly path: string
  /** Undefined when no answer came. */
  readonly status: number | undefined
  readonly durationMs: number
}

export interface WireClientOptions {
  /** How to speak TLS to an origin (`https://host[:port]`); asked once per connection. */
  readonly tlsFor?: (origin: string) => TlsSettings | undefined
  /** The proxy for a URL; none when absent. See `createProxyRule`. */
  readonly proxyFor?: (url: URL) => URL | undefined
  /** Which addresses may be connected to; all when absent. */
  readonly guard?: AddressGuard | undefined
  /** How names are resolved; `dns.lookup` when absent. */
  readonly resolveHost?: ResolveHost | undefined
  /** Sent as `User-Agent` unless a request has its own. */
  readonly userAgent?: string
  readonly onExchange?: (exchange: ObservedExchange) => void
  readonly connectTimeoutMs?: number
  readonly idleTimeoutMs?: number
  /** `MINIMUM_RATE` when absent. */
  readonly minimumRate?: MinimumRate | undefined
  /** How long an unused connection is kept. */
  readonly keepAliveMs?: number
}

export interface WireClient extends HttpClient {
  /** A copy of the counters as they are now. */
  readonly statistics: Readonly<WireStatistics>
}

/** One client with its own connections; after `close` it takes no more requests, and what is on its way ends with its connection. */
export function createWireClient(options: WireClientOptions = {}): WireClient {
  return new SocketClient(options)
}

class SocketClient implements WireClient {
  readonly #options: WireClientOptions
  readonly #buffers = new BufferPool()
  readonly #pool: ConnectionPool
  readonly #rates: RateWatch
  readonly #sessions = new Map<string, Buffer>()
  readonly #connections = new Set<WireConnection>()
  readonly #statistics: WireStatistics = {requests: 0, connections: 0, bytesReceived: 0, bytesSent: 0}
  readonly #end = new AbortController()
  readonly #proxiedNames: ProxiedNames

  constructor(options: WireClientOptions) {
    this.#options = options
    this.#proxiedNames = new ProxiedNames(options.resolveHost)
    this.#pool = new ConnectionPool(options.keepAliveMs ?? KEEP_ALIVE_MS)
    this.#rates = new RateWatch(options.minimumRate ?? MINIMUM_RATE)
  }

  get statistics(): Readonly<WireStatistics> {
    return {...this.#statistics}
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const {url, method} = request
    if (this.#end.signal.aborted) throw new HoldfastError('INTERNAL', `cannot ${method} "${url.origin}": the client was closed`)
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw new HoldfastError('INTERNAL', `cannot ${method} "${url.protocol}": only http: and https: are spoken here`)
    }
    this.#statistics.requests += 1
    const startedAt = performance.now()
    let status: number | undefined
    const line = this.#lineTo(url)
    rememberSent(request.headers ?? {}, request.body instanceof Uint8Array ? request.body : undefined)
    try {
      const response = await exchange(this.#withUserAgent(request), line, this.#statistics)
      status = response.status
      rememberReceived(response.headers, url)
      assertReached(status, () => response.body.toString('latin1'), {method, url, proxy: line.proxy})
      return response
    } finally {
      const durationMs = performance.now() - startedAt
      this.#options.onExchange?.({method, host: url.host, path: url.pathname, status, durationMs})
    }
  }

  close(): void {
    this.#end.abort(interrupted())
    this.#pool.close()
    this.#rates.close()
    for (const connection of this.#connections) connection.socket.destroy()
  }

  #withUserAgent(request: HttpRequest): HttpRequest {
    const {userAgent} = this.#options
    if (userAgent === undefined || request.headers?.['user-agent'] !== undefined) return request
    return {...request, headers: {...request.headers, 'user-agent': userAgent}}
  }

  #lineTo(url: URL): Line {
    const proxy = this.#options.proxyFor?.(url)
    // A forward proxy carries requests to any plain origin over the same connections; a tunnel leads to one origin. Names are judged where a connection is opened.
    const isForwarded = proxy !== undefined && url.protocol === 'http:'
    const key = isForwarded && this.#options.guard === undefined ? `via ${proxy.href}` : `${url.origin} ${proxy?.href ?? ''}`
    const path = `${url.pathname}${url.search}`
    return {
      proxy: proxy?.host,
      proxyAuthorization: isForwarded ? proxyAuthorization(proxy) : undefined,
      target: isForwarded ? `${url.origin}${path}` : path,
      // What is refused is refused where a connection is opened.
      connect: (signal, isFresh) =>
        (isFresh || !this.#mayReach(url) ? undefined : this.#pool.take(key)) ?? this.#open(key, url, proxy, signal),
      give: (connection) => this.#pool.give(key, connection),
    }
  }

  /** Judges a literal address; names are judged when they are resolved. */
  #mayReach(url: URL): boolean {
    const {guard} = this.#options
    return guard === undefined || isAllowed(hostOf(url), url, guard)
  }

  async #open(key: string, url: URL, proxy: URL | undefined, signal: AbortSignal | undefined): Promise<WireConnection> {
    const {tlsFor, guard, resolveHost} = this.#options
    const route: Route = {origin: url, proxy, tls: tlsFor?.(url.origin) ?? {}, guard, resolveHost, proxiedNames: this.#proxiedNames}
    const isForwarded = proxy !== undefined && url.protocol === 'http:'
    const connection = new WireConnection({
      buffers: this.#buffers,
      statistics: this.#statistics,
      rates: this.#rates,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      isTls: (isForwarded ? proxy : url).protocol === 'https:',
    })
    const socket = await dial(route, connection.onread, {
      timeoutMs: this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      signal: signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]),
      session: this.#sessions.get(key),
      keepSession: (session) => this.#sessions.set(key, session),
    })
    connection.attach(socket)
    this.#statistics.connections += 1
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
    if (this.#end.signal.aborted) socket.destroy()
    return connection
  }
}
