/** Opens sockets: directly, through a forward proxy, or through a proxy's CONNECT tunnel; with TLS where the origin wants it. */
import {connect as connectTcp, isIP, type Socket} from 'node:net'
import type {ConnectionOptions, TLSSocket} from 'node:tls'
import type {AddressGuard} from '../../core/address-policy.ts'
import {awaitedLater} from '../../core/awaited-later.ts'
import {interrupted} from '../../core/errors.ts'
import type {TlsSettings} from '../client.ts'
import {rememberAuthorization} from '../traffic-secrets.ts'
import type {WireConnection} from './connection.ts'
import {ConnectTimeoutError, ProxyRefusedError, ProxyTlsError} from './failures.ts'
import {assertAllowed, guardedLookup, ProxiedNames, type ResolveHost} from './guarded-lookup.ts'
import {MalformedAnswerError, parseAnswerHead} from './head.ts'
import {MAX_HEAD_BYTES} from './limits.ts'
import {secureContextFor, withSystemTrust} from './secure-context.ts'

/** Where a connection leads. */
export interface Route {
  readonly origin: URL
  readonly proxy: URL | undefined
  readonly tls: TlsSettings
  /** Judges the addresses of the origin. */
  readonly guard?: AddressGuard | undefined
  /** Judges the names that a proxy resolves by itself, by what they resolve to here. */
  readonly proxiedNames?: ProxiedNames | undefined
  /** `dns.lookup` when absent. */
  readonly resolveHost?: ResolveHost | undefined
}

export interface DialOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** A TLS session of the same origin to resume. */
  readonly session: Buffer | undefined
  readonly keepSession: (session: Buffer) => void
}

type Onread = WireConnection['onread']
/** `onread` works for TLS as it does for TCP. */
type TlsDialOptions = ConnectionOptions & {readonly onread?: Onread}

/** `Proxy-Authorization` of a proxy whose URL has user info. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '' && proxy.password === '') return undefined
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  const value = `Basic ${Buffer.from(pair).toString('base64')}`
  rememberAuthorization(value)
  return value
}

/**
 * Opens a socket that is ready for a request, and reads through `onread` where that is given.
 * Rejects with what the socket or TLS said, with ConnectTimeoutError, ProxyRefusedError, ProxyTlsError, or INTERRUPTED.
 */
export async function dial(route: Route, onread: Onread | undefined, options: DialOptions): Promise<Socket> {
  const attempt = new Dialing(options)
  try {
    return await Promise.race([attempt.stopped, withSystemTrust(() => open(route, onread, options, attempt))])
  } catch (error) {
    attempt.abandon()
    throw error
  } finally {
    attempt.end()
  }
}

/** One attempt with its time-out and signal; owns the sockets until it has succeeded. */
class Dialing {
  readonly stopped: Promise<never>
  readonly #stop: (error: Error) => void
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.#stop(interrupted())
  readonly #sockets: Socket[] = []
  #isAbandoned = false

  constructor(options: DialOptions) {
    const {promise, reject} = Promise.withResolvers<never>()
    this.stopped = awaitedLater(promise)
    this.#stop = reject
    this.#timer = setTimeout(() => reject(new ConnectTimeoutError(`no connection within ${options.timeoutMs / 1000} s`)), options.timeoutMs)
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#onAbort, {once: true})
    if (this.#signal?.aborted === true) this.#onAbort()
  }

  /** Waits until `socket` emits `event`; it is destroyed when the attempt fails. */
  async ready(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
    this.#sockets.push(socket)
    if (this.#isAbandoned) socket.destroy()
    const {promise, resolve, reject} = Promise.withResolvers<void>()
    const closed = (): void => reject(Object.assign(new Error('closed while connecting'), {code: 'ECONNRESET'}))
    socket.once(event, resolve)
    // Kept for good: an error may come before the connection listens.
    socket.on('error', reject)
    socket.once('close', closed)
    await promise
    socket.off('close', closed)
  }

  abandon(): void {
    this.#isAbandoned = true
    for (const socket of this.#sockets) {
      socket.on('error', () => {})
      socket.destroy()
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

async function open(route: Route, onread: Onread | undefined, options: DialOptions, attempt: Dialing): Promise<Socket> {
  const {origin, proxy, guard} = route
  const isSecure = origin.protocol === 'https:'
  if (guard !== undefined) assertAllowed(hostOf(origin), origin, guard)
  if (proxy === undefined) {
    const socket = await (isSecure ? secure(route, onread, options, attempt, undefined) : plain(origin, onread, attempt, route))
    if (socket.remoteAddress !== undefined) guard?.connected?.(origin, socket.remoteAddress)
    return socket
  }
  if (guard !== undefined) await (route.proxiedNames ?? new ProxiedNames(route.resolveHost)).judge(hostOf(origin), origin, guard)
  if (!isSecure) return proxy.protocol === 'https:' ? secureProxy(proxy, onread, attempt) : plain(proxy, onread, attempt)
  const carrier = proxy.protocol === 'https:' ? await secureProxy(proxy, undefined, attempt) : await plain(proxy, undefined, attempt)
  await openTunnel(carrier, proxy, origin)
  return secure(route, onread, options, attempt, carrier)
}

async function plain(url: URL, onread: Onread | undefined, attempt: Dialing, route?: Route): Promise<Socket> {
  const socket = connectTcp({
    host: hostOf(url),
    port: portOf(url),
    noDelay: true,
    ...(onread === undefined ? {} : {onread}),
    ...(route === undefined ? {} : {lookup: guardedLookup(route.origin, route.guard, route.resolveHost)}),
  })
  await attempt.ready(socket, 'connect')
  return socket
}

async function secure(
  route: Route,
  onread: Onread | undefined,
  options: DialOptions,
  attempt: Dialing,
  carrier: Socket | undefined,
): Promise<Socket> {
  const tls = await import('node:tls')
  const settings: TlsDialOptions = {
    ...target(route.origin),
    ...(carrier !== undefined ? {socket: carrier} : onread === undefined ? {} : {onread}),
    ...(carrier === undefined ? {lookup: guardedLookup(route.origin, route.guard, route.resolveHost)} : {}),
    secureContext: secureContextFor(tls, route.tls),
    rejectUnauthorized: route.tls.insecure !== true,
    ALPNProtocols: ['http/1.1'],
    ...(options.session === undefined ? {} : {session: options.session}),
  }
  const socket = tls.connect(settings)
  socket.on('session', options.keepSession)
  const shaken = await shake(socket, attempt)
  if (carrier !== undefined && onread !== undefined) feed(shaken, onread)
  return shaken
}

/** Node ignores `onread` for TLS on top of a socket that is already open: what comes is copied to where it would have been read. */
function feed(socket: Socket, onread: Onread): void {
  let destination = onread.buffer()
  socket.on('data', (chunk: Buffer) => {
    let wantsMore = true
    for (let from = 0; from < chunk.length; ) {
      const length = chunk.copy(destination, 0, from)
      from += length
      wantsMore = onread.callback(length)
      destination = onread.buffer()
    }
    if (!wantsMore) socket.pause()
  })
}

/** TLS to the proxy itself: with what Node trusts, and never with the client certificate that is meant for the origin. */
async function secureProxy(proxy: URL, onread: Onread | undefined, attempt: Dialing): Promise<Socket> {
  const tls = await import('node:tls')
  const settings: TlsDialOptions = {
    ...target(proxy),
    ...(onread === undefined ? {} : {onread}),
    secureContext: secureContextFor(tls, {}),
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
  }
  try {
    return await shake(tls.connect(settings), attempt)
  } catch (cause) {
    throw isTlsFailure(cause) ? new ProxyTlsError('the proxy is not trusted', {cause}) : cause
  }
}

/** TLS and OpenSSL have codes of their own; what remains are those of the connection below. */
function isTlsFailure(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && !('syscall' in cause) && cause.code !== 'ECONNRESET'
}

async function shake(socket: TLSSocket, attempt: Dialing): Promise<Socket> {
  await attempt.ready(socket, 'secureConnect')
  socket.setNoDelay(true)
  return socket
}

/** An IP literal is checked against the certificate's addresses but never sent as a server name (RFC 6066 §3). */
function target(url: URL): {readonly host: string; readonly port: number; readonly servername?: string} {
  const host = hostOf(url)
  return {host, port: portOf(url), ...(isIP(host) === 0 ? {servername: host} : {})}
}

/** Without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/** Asks the proxy for a tunnel (RFC 9110 §9.3.6). */
async function openTunnel(carrier: Socket, proxy: URL, origin: URL): Promise<void> {
  const authority = `${origin.hostname}:${portOf(origin)}`
  const authorization = proxyAuthorization(proxy)
  const credentials = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`
  carrier.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`, 'latin1')
  const {status} = parseTunnelAnswer(await readTunnelAnswer(carrier))
  if (status < 200 || status > 299) throw ProxyRefusedError.forStatus(status)
}

function parseTunnelAnswer(text: string): {readonly status: number} {
  try {
    return parseAnswerHead(text)
  } catch (cause) {
    if (cause instanceof MalformedAnswerError) throw new ProxyRefusedError('does not answer in HTTP/1.1')
    throw cause
  }
}

/** The head of the proxy's answer. Nothing may follow it: TLS lets the client speak first. */
async function readTunnelAnswer(carrier: Socket): Promise<string> {
  const {promise, resolve, reject} = Promise.withResolvers<string>()
  let text = ''
  const data = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end >= 0) {
      carrier.pause()
      resolve(text.slice(0, end))
    } else if (text.length > MAX_HEAD_BYTES) {
      reject(new ProxyRefusedError('answers with too large a head'))
    }
  }
  const closed = (): void => reject(new ProxyRefusedError('closed the connection'))
  carrier.on('data', data)
  carrier.once('error', reject)
  carrier.once('close', closed)
  try {
    return await promise
  } finally {
    carrier.off('data', data)
    carrier.off('error', reject)
    carrier.off('close', closed)
  }
}
