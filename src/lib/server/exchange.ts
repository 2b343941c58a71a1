/** One request and its answer, with the few ways in which the registry answers. */
import type {IncomingMessage, ServerResponse} from 'node:http'
import type {SlowTransferError} from '../core/rate-watch.ts'

export type ReplyHeaders = Readonly<Record<string, string | number>>

/** What every endpoint is called with. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  /** Fires when the client has gone or the server is made to stop. */
  readonly signal: AbortSignal
  /** Bytes of bodies, counted as they pass. */
  readonly traffic: {received: number; sent: number}
  /** Told when the client sends the body too slowly. What reads a body replaces it by its own way to end; until then the connection is closed. */
  readonly body: {tooSlow: (error: SlowTransferError) => void}
}

/** Answers with a body, which a HEAD request is spared, its length being told. */
export function reply({request, response, traffic}: Exchange, status: number, headers: ReplyHeaders, body: string | Uint8Array = ''): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (status !== 204 && status !== 304) response.setHeader('Content-Length', bytes.length)
  if (request.method === 'HEAD' || bytes.length === 0) {
    response.end()
    return
  }
  traffic.sent += bytes.length
  response.end(bytes)
}

/** Answers with JSON. */
export function replyJson(exchange: Exchange, status: number, value: unknown, headers: ReplyHeaders = {}): void {
  reply(exchange, status, {'Content-Type': 'application/json', ...headers}, JSON.stringify(value))
}

/** Tells whether the client says that it has the content already (RFC 9110 §13.1.2, weak comparison). */
export function isUnchanged(request: IncomingMessage, etag: string): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.split(',').some((entry) => [etag, '*'].includes(entry.trim().replace(/^W\//, '')))
}
