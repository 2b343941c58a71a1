/**
 * The embedded registry: the distribution-spec 1.1 API over a content store, on plain node:http or node:https. Without access control it listens on loopback only
 * and answers nobody but this machine's programs.
 */
import {randomUUID} from 'node:crypto'
import {createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse} from 'node:http'
import {createServer as createSecureServer} from 'node:https'
import type {Socket} from 'node:net'
import {hasTooManyFiles, isDiskFull} from '../content/disk/storage-error.ts'
import {HoldfastError} from '../core/errors.ts'
import {MINIMUM_RATE, type MinimumRate, RateWatch} from '../core/rate-watch.ts'
import {settlesWithin} from '../core/settle-within.ts'
import type {AccessControl, AllowedCaller} from './access-control.ts'
import {ConnectionLimit, type ConnectionLimits} from './connection-limit.ts'
import {dispatch} from './dispatch.ts'
import {type Exchange, reply} from './exchange.ts'
import type {Readiness} from './health.ts'
import {addressOf, assertLocalRequest, assertLoopback} from './loopback.ts'
import {TAG_HEADER} from './manifest-endpoints.ts'
import {mirrorError} from './mirror-errors.ts'
import {watchBody} from './request-body.ts'
import {parseRoute, type Route} from './route.ts'
import type {ServerListener} from './server-events.ts'
import {formatErrorBody, SpecError} from './spec-error.ts'
import type {ReadableStore, ServableStore} from './upload-sessions.ts'

/** A client that does not finish its request head in this time is a slow one on purpose. */
const HEADERS_TIMEOUT_MS = 30_000
/** How often connections are looked at for the limit above. */
const CONNECTIONS_CHECK_MS = 5_000
/** A connection on which no byte moved for so long is closed; a slow but moving upload never is. */
const IDLE_TIMEOUT_MS = 5 * 60_000
/** How long a kept-alive connection waits for its next request. */
const KEEP_ALIVE_MS = 60_000
/** Forms and notifications are small: what takes longer is dripped on purpose. */
const SMALL_BODY_MS = 30_000
/** When a client should come again that found too many files open: other requests end meanwhile. */
const BUSY_RETRY_SECONDS = '5'
/** nginx's status for a client that closed the connection before it was answered; only ever logged. */
const CLIENT_CLOSED_REQUEST = 499

/** How long requests that were cut off may take to let go of the store. */
const CUT_MS = 3_000

export interface RegistryServerOptions {
  /** What it serves comes with access control: other machines may reach it. */
  readonly isGuarded: boolean
  readonly listener?: ServerListener | undefined
  /** PEM; plain HTTP when absent. */
  readonly tls?: {readonly certificate: Buffer; readonly key: Buffer} | undefined
  /** What clients must send of a body on average; `MINIMUM_RATE` when absent. */
  readonly minimumRate?: MinimumRate | undefined
  /** How many connections it keeps; any number when absent. */
  readonly connections?: ConnectionLimits | undefined
  /** How long the body of a request that is not the registry's may take; `SMALL_BODY_MS` when absent. */
  readonly smallBodyMs?: number | undefined
}

/** What a server serves. */
interface RegistryService {
  readonly store: ReadableStore
  /** The store of a request and the route within it, where several are served. Throws {SpecError} for a request that is about none of them. */
  readonly select?: ((exchange: Exchange, route: Route) => SelectedStore) | undefined
  /** Takes every change; without it they are refused. */
  readonly changes?: ServableStore | undefined
  /** Who may do what; without it only programs of this machine are answered, and they may do everything. */
  readonly accessControl?: AccessControl | undefined
  /** A request of which the answer has not begun by then is given up with 503; none is when absent. */
  readonly answerTimeoutMs?: number | undefined
  /** Whether what it has can be served, for `/readyz`. */
  readonly readiness?: (() => Promise<Readiness>) | undefined
  /** Answers every path but those of the registry. */
  readonly others?: RequestListener | undefined
  /** Whether access control holds for `others` too; otherwise they decide themselves. */
  readonly guardsOthers?: boolean | undefined
}

export interface SelectedStore {
  /** Whose store it is, for events. */
  readonly upstream?: string | undefined
  readonly store: ReadableStore
  readonly route: Route
}

/** Where a server listens: an IP address and a port. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

export interface RegistryServer {
  /**
   * Takes the port and starts to listen; port 0 takes a free one. Requests wait until `answer` is called, so that a server may open what it serves once the port is its own.
   * @throws {HoldfastError} LISTEN_NOT_LOOPBACK, ADDRESS_IN_USE, CONFIGURATION
   */
  listen(address: ListenAddress): Promise<ListenAddress>
  /** Answers requests from now on, those that wait first. To be called once. */
  answer(service: RegistryService): void
  /**
   * Stops: takes no new connection, lets running requests finish for `graceMs`, then cuts them off. Settles when none touches the store any more, or `CUT_MS` after they were cut off,
   * which the listener is then told; uploads that were cut off can be resumed. Requests that still wait for `answer` are cut off at once.
   */
  close(options: {readonly graceMs: number}): Promise<void>
}

/** Makes a server that does not listen yet. The store stays the caller's, to be closed after the server. */
export function createRegistryServer(options: RegistryServerOptions): RegistryServer {
  const running = new Set<Promise<void>>()
  const open = new Set<ServerResponse>()
  /** Those that have not finished their TLS handshake too, which Node's own list of connections lacks. */
  const sockets = new Set<Socket>()
  const stop = new AbortController()
  const serving = Promise.withResolvers<RegistryService | undefined>()
  let isServing = false
  let closing: Promise<void> | undefined
  const rates = new RateWatch(options.minimumRate ?? MINIMUM_RATE)
  const listener: RequestListener = (request, response) => {
    if (closing !== undefined) response.setHeader('Connection', 'close')
    open.add(response)
    response.once('close', () => {
      open.delete(response)
      if (closing !== undefined) setImmediate(() => server.closeIdleConnections())
    })
    const answered = serving.promise
      .then(async (service) => {
        if (service === undefined) response.destroy()
        else if (!response.closed) await answer(request, response, {...options, ...service, rates}, stop.signal)
      })
      .finally(() => running.delete(answered))
    running.add(answered)
  }
  const settings = {connectionsCheckingInterval: CONNECTIONS_CHECK_MS, noDelay: true}
  const server: Server =
    options.tls === undefined
      ? createServer(settings, listener)
      : createSecureServer({...settings, cert: options.tls.certificate, key: options.tls.key, minVersion: 'TLSv1.2'}, listener)
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.requestTimeout = 0
  server.timeout = IDLE_TIMEOUT_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const limit =
    options.connections === undefined
      ? undefined
      : new ConnectionLimit(options.connections, (error) => options.listener?.({type: 'failure', requestId: 'accept', error}))
  server.on('connection', (socket: Socket) => {
    limit?.add(socket)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  const close = async (graceMs: number): Promise<void> => {
    for (const response of open) if (!response.headersSent) response.setHeader('Connection', 'close')
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    const isOver = isServing && (await settlesWithin(closed, graceMs))
    serving.resolve(undefined)
    if (!isOver) {
      stop.abort()
      for (const socket of sockets) socket.destroy()
    }
    rates.close()
    if (await settlesWithin(Promise.all([closed, ...running]), CUT_MS)) return
    stop.abort()
    const error = new HoldfastError('INTERNAL', `cannot end ${running.size} requests: they still run after they were cut off`)
    options.listener?.({type: 'failure', requestId: 'stop', error})
  }

  return {
    listen: async ({host, port}) => {
      const address = await listen(server, {host: options.isGuarded ? await addressOf(host) : await assertLoopback(host), port})
      // A connection that cannot be accepted, for want of file descriptors for example, must not end the server.
      server.on('error', (error) => options.listener?.({type: 'failure', requestId: 'accept', error}))
      return address
    },
    answer(service) {
      if (options.isGuarded !== (service.accessControl !== undefined)) {
        throw new HoldfastError('INTERNAL', 'cannot serve: a server beyond loopback and access control go together')
      }
      isServing = true
      serving.resolve(service)
    },
    close({graceMs}) {
      closing ??= close(graceMs)
      return closing
    },
  }
}

async function listen(server: Server, {host, port}: ListenAddress): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen({host, port}, resolve)
  })
  const address = server.address()
  return {host, port: typeof address === 'object' && address !== null ? address.port : port}
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): HoldfastError {
  const object = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const details = {host, port}
  if (error.code === 'EADDRINUSE') {
    return new HoldfastError('ADDRESS_IN_USE', `cannot listen on "${object}": another program does`, {
      hints: [
        `ss -ltnp 'sport = :${port}'  # names it`,
        'run the same command with --listen 127.0.0.1:0, which takes a free port and prints it',
      ],
      details,
      cause: error,
    })
  }
  return new HoldfastError('CONFIGURATION', `cannot listen on "${object}": ${listenReason(error)}`, {
    hints:
      error.code === 'EADDRNOTAVAIL'
        ? ['ip -brief address  # shows those of this machine']
        : ['run the same command with --listen 127.0.0.1:0'],
    details,
    cause: error,
  })
}

function listenReason({code, message}: NodeJS.ErrnoException): string {
  if (code === 'EACCES') return 'this user may not use that port'
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return `the system says ${code ?? message}`
}

/** Answers one request and tells the listener; never rejects. Settles when the endpoint is done with the store and the answer is out. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: RegistryService & Pick<RegistryServerOptions, 'listener' | 'smallBodyMs'> & {readonly rates: RateWatch},
  stop: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  const requestId = randomUUID()
  const {method = '', url = '/', socket} = request
  const remoteAddress = socket.remoteAddress ?? ''
  const queryAt = url.indexOf('?')
  const path = queryAt < 0 ? url : url.slice(0, queryAt)
  const gone = new AbortController()
  const givenUp = new AbortController()
  const over = new Promise<void>((resolve) => {
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
      resolve()
    })
  })
  const exchange: Exchange = {
    request,
    response,
    query: new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1)),
    signal: AbortSignal.any([gone.signal, givenUp.signal, stop]),
    traffic: {received: 0, sent: 0},
    body: {tooSlow: () => void socket.destroy()},
  }
  watchBody(request, options.rates, (error) => exchange.body.tooSlow(error))
  let caller: AllowedCaller | undefined
  let upstream: string | undefined
  response.setHeader('Docker-Distribution-API-Version', 'registry/2.0')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  try {
    const isOpen = path === '/healthz' || path === '/readyz'
    if (options.accessControl === undefined && !isOpen) assertLocalRequest(request)
    if (options.others !== undefined && !isRegistryPath(path)) {
      if (options.guardsOthers) await options.accessControl?.(exchange, {kind: 'base'})
      const dripped = setTimeout(() => {
        if (!request.complete) socket.destroy()
      }, options.smallBodyMs ?? SMALL_BODY_MS)
      options.others(request, response)
      await over
      clearTimeout(dripped)
      return
    }
    const route = parseRoute(path)
    if (route === undefined) throw new SpecError(404, 'UNSUPPORTED', 'there is no such endpoint')
    caller = await options.accessControl?.(exchange, route)
    const selected: SelectedStore = options.select?.(exchange, route) ?? {store: options.store, route}
    upstream = selected.upstream
    const work = dispatch(exchange, selected.route, {
      store: selected.store,
      changes: options.changes,
      isVisible: caller?.isVisible,
      readiness: options.readiness,
    })
    if (options.answerTimeoutMs === undefined || (await beginsWithin(work, response, options.answerTimeoutMs))) await work
    else {
      replyError(exchange, requestId, tooLate(options.answerTimeoutMs))
      givenUp.abort()
      await work.catch(() => {})
    }
  } catch (error) {
    if (!(error instanceof SpecError) && !exchange.signal.aborted) options.listener?.({type: 'failure', requestId, error, upstream})
    replyError(exchange, requestId, error)
  }
  await over
  options.listener?.({
    type: 'request',
    requestId,
    method,
    path,
    status: response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST,
    receivedBytes: exchange.traffic.received,
    sentBytes: exchange.traffic.sent,
    durationMs: performance.now() - startedAt,
    remoteAddress,
    tags: tagsSetBy(response),
    principal: caller?.subject,
    upstream,
    isCutShort: !response.writableFinished,
  })
}

/** Returns whether work ends, or its answer begins, in time; how it ends is the caller's to look at. */
async function beginsWithin(work: Promise<void>, response: ServerResponse, ms: number): Promise<boolean> {
  return (await settlesWithin(work, ms)) || response.headersSent || response.closed
}

function tooLate(ms: number): SpecError {
  return new SpecError(503, 'UNAVAILABLE', `what this needs has not come within ${ms / 1000} s; it may come later`, {
    headers: {'Retry-After': BUSY_RETRY_SECONDS},
  })
}

function tagsSetBy(response: ServerResponse): readonly string[] {
  const tags = response.getHeader(TAG_HEADER)
  return Array.isArray(tags) ? tags : []
}

function isRegistryPath(path: string): boolean {
  return path === '/v2' || path.startsWith('/v2/') || path === '/healthz' || path === '/readyz'
}

/** An error before the answer began is an answer; one in its midst can only break the connection, so that nobody takes a part for the whole. */
function replyError(exchange: Exchange, requestId: string, error: unknown): void {
  const {response, signal} = exchange
  if (response.headersSent || signal.aborted) {
    response.destroy()
    return
  }
  for (const name of ['Content-Range', 'Content-Length', 'ETag', 'Cache-Control', 'Docker-Content-Digest']) response.removeHeader(name)
  const told = error instanceof SpecError ? error : (mirrorError(error) ?? internalError(error, requestId))
  reply(exchange, told.status, {...told.headers, 'Content-Type': 'application/json'}, formatErrorBody(told))
}

function internalError(error: unknown, requestId: string): SpecError {
  const options = {detail: {requestId}, cause: error}
  if (isDiskFull(error)) return new SpecError(507, 'UNKNOWN', 'the registry has no space left', options)
  if (hasTooManyFiles(error)) {
    return new SpecError(503, 'UNAVAILABLE', 'the registry has too many files open', {
      ...options,
      headers: {'Retry-After': BUSY_RETRY_SECONDS},
    })
  }
  return new SpecError(500, 'UNKNOWN', 'the registry failed; its log says why under the request id', options)
}
