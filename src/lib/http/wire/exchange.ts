/** One request and its answer: on a kept connection or a new one, with the one silent retry that HTTP permits. */
import type {ByteSink} from '../../core/byte-sink.ts'
import {interrupted} from '../../core/errors.ts'
import type {HttpRequest, HttpResponse, StreamedBody} from '../client.ts'
import {BodyCollector} from './body-collector.ts'
import {type AnswerListener, ConnectionClosedError, ReceiverError, type WireConnection, type WireStatistics} from './connection.ts'
import {describeFailure} from './failures.ts'
import {type AnswerHead, formatRequestHead} from './head.ts'
import {DEFAULT_MAX_BODY_BYTES, LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES} from './limits.ts'
import {Upload, type UploadOwner} from './upload.ts'

/** How an exchange gets and gives back connections, and how its request looks on them. */
export interface Line {
  /** `host:port` of the proxy. */
  readonly proxy: string | undefined
  readonly proxyAuthorization: string | undefined
  /** Origin-form, or absolute-form towards a proxy. */
  readonly target: string
  /** A kept connection, unless `isFresh`; else a new one. */
  connect(signal: AbortSignal | undefined, isFresh: boolean): WireConnection | Promise<WireConnection>
  give(connection: WireConnection): void
}

/** Methods whose repetition does no harm (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])
/** A request without a body says so when the method usually has one (RFC 9110 §8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** Sends `request` over `line`. */
export function exchange(request: HttpRequest, line: Line, statistics: WireStatistics): Promise<HttpResponse> {
  return new Exchange(request, line, statistics).run()
}

class Exchange implements AnswerListener, UploadOwner {
  readonly #request: HttpRequest
  readonly #line: Line
  readonly #statistics: WireStatistics
  readonly #settled = Promise.withResolvers<HttpResponse>()
  readonly #headText: string
  readonly #upload: Upload | undefined
  #connection: WireConnection | undefined
  #isSettled = false
  #hasRetried = false
  #head: AnswerHead | undefined
  #collector: BodyCollector | undefined
  #isAnswerWhole = false
  #isSourceDone = true
  readonly #onAbort = (): void => this.#fail(interrupted())

  constructor(request: HttpRequest, line: Line, statistics: WireStatistics) {
    this.#request = request
    this.#line = line
    this.#statistics = statistics
    const {body, method, url} = request
    const sizeBytes = body === undefined ? (EXPECTS_BODY.has(method) ? 0 : undefined) : isStreamed(body) ? body.sizeBytes : body.length
    this.#headText = formatRequestHead({
      method,
      target: line.target,
      host: url.host,
      headers: request.headers ?? {},
      sizeBytes,
      proxyAuthorization: line.proxyAuthorization,
    })
    if (isStreamed(body)) this.#upload = new Upload(body.sizeBytes, nameOf(url), this, statistics)
  }

  run(): Promise<HttpResponse> {
    const {signal, body} = this.#request
    if (signal?.aborted === true) {
      this.#onAbort()
      return this.#settled.promise
    }
    signal?.addEventListener('abort', this.#onAbort, {once: true})
    this.#connect(false)
    if (isStreamed(body)) this.#pull(body)
    return this.#settled.promise
  }

  /** Lets the source push, from now on and whether or not the connection is there yet. */
  #pull(body: StreamedBody): void {
    const upload = this.#upload
    if (upload === undefined) return
    this.#isSourceDone = false
    const run = async (): Promise<void> => {
      await body.send(upload)
      upload.finished()
      this.#isSourceDone = true
      if (this.#isAnswerWhole) this.#succeed()
    }
    run().catch((error: unknown) => this.#fail(error))
  }

  #connect(isFresh: boolean): void {
    const connecting = this.#line.connect(this.#request.signal, isFresh)
    if (!(connecting instanceof Promise)) {
      this.#connected(connecting)
      return
    }
    connecting
      .then(
        (connection) => this.#connected(connection),
        (error: unknown) => this.#fail(describeFailure(error, {...this.#attempt(), isSent: this.#hasRetried})),
      )
      .catch((error: unknown) => this.#fail(error))
  }

  #connected(connection: WireConnection): void {
    if (this.#isSettled) {
      this.#line.give(connection)
      return
    }
    this.#connection = connection
    if (this.#upload === undefined) this.#transmit(connection)
    else this.#upload.connected(connection)
  }

  #transmit(connection: WireConnection): void {
    const {body} = this.#request
    const {socket} = connection
    socket.cork()
    this.writeHead(connection)
    if (body instanceof Uint8Array && body.length > 0) {
      socket.write(body)
      this.#statistics.bytesSent += body.length
    }
    socket.uncork()
  }

  writeHead(connection: WireConnection): void {
    connection.begin(this, this.#request.method === 'HEAD')
    connection.socket.write(this.#headText, 'latin1')
    this.#statistics.bytesSent += this.#headText.length
  }

  connectionLost(): void {
    this.#connection = undefined
    this.#connect(true)
  }

  uploadFailed(error: unknown): void {
    this.#fail(error)
  }

  headArrived(head: AnswerHead): {readonly sink: ByteSink; readonly isLarge: boolean} {
    this.#head = head
    // An answer before the body is through is a refusal: what is still to be sent would be read by nobody.
    if (this.#upload?.isComplete === false) this.#upload.stop()
    const {framing, status, headers} = head
    const isEmpty = framing.kind === 'length' && framing.sizeBytes === 0
    const sink = isEmpty && this.#request.method === 'HEAD' ? undefined : this.#request.sinkFor?.({status, headers})
    if (sink !== undefined) return {sink, isLarge: framing.kind !== 'length' || framing.sizeBytes > SMALL_BUFFER_BYTES}
    const collector = new BodyCollector(this.#request.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES, nameOf(this.#request.url))
    if (framing.kind === 'length' && framing.sizeBytes > (this.#request.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES)) throw collector.tooLarge()
    this.#collector = collector
    return {sink: collector, isLarge: framing.kind === 'length' && framing.sizeBytes > LARGE_BUFFER_BYTES}
  }

  ended(): void {
    const connection = this.#connection
    this.#connection = undefined
    this.#isAnswerWhole = true
    const isSent = this.#upload?.isComplete !== false
    if (connection !== undefined) {
      if (isSent && connection.isReusable) this.#line.give(connection)
      else connection.destroy()
    }
    if (this.#isSourceDone || !isSent) this.#succeed()
  }

  failed(cause: Error, isAnswered: boolean): void {
    const connection = this.#connection
    this.#connection = undefined
    if (cause instanceof ReceiverError) this.#fail(cause.cause)
    else if (!isAnswered && connection?.wasUsed === true && this.#mayRetry(cause)) this.#retry()
    else this.#fail(describeFailure(cause, this.#attempt()))
  }

  isPeerAwaited(): boolean {
    const upload = this.#upload
    return upload === undefined || upload.isComplete || this.#head !== undefined || (this.#connection?.socket.writableLength ?? 0) > 0
  }

  /** Kept connections die unnoticed: the server closed it while our request was on its way. */
  #mayRetry(cause: Error): boolean {
    const wasClosed = cause instanceof ConnectionClosedError || ('code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE'))
    return wasClosed && !this.#hasRetried && IDEMPOTENT.has(this.#request.method) && this.#upload?.hasBegun !== true
  }

  #retry(): void {
    this.#hasRetried = true
    this.#connect(true)
  }

  #succeed(): void {
    const head = this.#head
    if (this.#isSettled || head === undefined) return
    this.#settle()
    this.#settled.resolve({status: head.status, headers: head.headers, body: this.#collector?.body ?? Buffer.alloc(0)})
  }

  #fail(error: unknown): void {
    if (this.#isSettled) return
    this.#settle()
    this.#connection?.destroy()
    this.#upload?.stop()
    this.#settled.reject(error)
  }

  #settle(): void {
    this.#isSettled = true
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
  }

  #attempt(): {readonly method: string; readonly url: URL; readonly proxy: string | undefined} {
    return {method: this.#request.method, url: this.#request.url, proxy: this.#line.proxy}
  }
}

function isStreamed(body: HttpRequest['body']): body is StreamedBody {
  return body !== undefined && !(body instanceof Uint8Array)
}

function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`
}
