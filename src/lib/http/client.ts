/**
 * The HTTP port for registry traffic. Blob bodies move through reused buffers over sockets of our own (`wire/`); redirects, authentication and retries are
 * decided above it, since each needs to know which registry is meant.
 */
import type {ByteSink} from '../core/byte-sink.ts'

/** Lower-case names; a header that came several times is joined with `, `. */
export type HttpHeaders = Readonly<Record<string, string>>

export interface HttpResponse {
  readonly status: number
  readonly headers: HttpHeaders
  /** The body, collected up to a cap; empty when it went into a sink. */
  readonly body: Buffer
}

/** A request body of known size whose bytes are pushed when the socket is ready for them. */
export interface StreamedBody {
  readonly sizeBytes: number
  /**
   * Pushes the body into the sink. Nothing is sent before the first slice arrives (or, for an empty body, before this settles), so a source that fails to start costs
   * the target nothing. When it rejects, the connection is destroyed and the request rejects with the same error.
   */
  readonly send: (sink: ByteSink) => Promise<void>
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** http: or https:; user info and fragment are never sent. */
  readonly url: URL
  readonly headers?: HttpHeaders
  readonly body?: Uint8Array | StreamedBody
  readonly signal?: AbortSignal
  /** Cap of a collected body, in bytes. */
  readonly maxBodyBytes?: number
  /**
   * Called when the head has arrived: answers where the body goes, or undefined to have it collected (an error's body, for example).
   * The promise of the request settles once every slice given to the sink was released.
   */
  readonly sinkFor?: (head: {readonly status: number; readonly headers: HttpHeaders}) => ByteSink | undefined
}

/** How to speak TLS to one origin; PEM texts, not file names. */
export interface TlsSettings {
  /** Certificate checks off. */
  readonly insecure?: boolean
  /** Trusted in addition to the system's authorities. */
  readonly ca?: string
  readonly clientCert?: string
  readonly clientKey?: string
}

/**
 * One pool of connections. Never follows a redirect, never adds credentials, never retries a request whose bytes may have reached the server
 * (a kept-alive connection that turns out closed before anything was sent is replaced silently).
 * Rejects with NETWORK, TIMEOUT (also for less than the minimum rate), TLS, PLAIN_HTTP (an http answer to a TLS hello), CONFIGURATION (a proxy wants credentials, or the port
 * speaks TLS and was asked in plain), INTERRUPTED (the signal fired); `requestSent: false` in the details when no byte went out. Every status is an ordinary answer.
 */
export interface HttpClient {
  request(request: HttpRequest): Promise<HttpResponse>
  close(): void
}
