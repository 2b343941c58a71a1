/**
 * One connection to an origin: reads answers into reused buffers and pushes bodies into sinks.
 *
 * Node reads straight into the buffer that was given to it last, and takes a new one only when its read callback returns. So buffers are changed there and
 * nowhere else (`#nextBuffer`); what is handed on later, in a release or a timer, leaves the reading position where it is.
 */
import type {Socket} from 'node:net'
import type {ByteSink} from '../../core/byte-sink.ts'
import type {RateWatch, SlowTransferError, WatchedTransfer} from '../../core/rate-watch.ts'
import {ChunkedDecoder} from './chunked.ts'
import {type AnswerHead, MalformedAnswerError, parseAnswerHead} from './head.ts'
import {MAX_HEAD_BYTES, MAX_INFORMATIONAL_ANSWERS, MAX_UNRELEASED_BUFFERS, SMALL_BUFFER_BYTES, TLS_BATCH_ROOM_BYTES} from './limits.ts'
import {type BufferPool, ReadBuffer, type SliceOwner} from './read-buffer.ts'
import {sentBytes} from './sent-bytes.ts'

/** What a client counts, over all its connections. */
export interface WireStatistics {
  requests: number
  connections: number
  /** On the wire inside TLS: heads and bodies with their framing. */
  bytesReceived: number
  bytesSent: number
}

/** Who waits for an answer. After `ended` or `failed` no other call comes. */
export interface AnswerListener {
  /** The head of the final answer: answers where the body goes; `isLarge` when it is worth large buffers. */
  headArrived(head: AnswerHead): {readonly sink: ByteSink; readonly isLarge: boolean}
  /** The body is whole and every slice of it was released. */
  ended(): void
  /** The connection broke or the answer is malformed; `isAnswered` when at least one byte of the answer had come. */
  failed(cause: Error, isAnswered: boolean): void
  /** Nothing moved for the idle time-out although it was not us who paused: says whether the peer is to blame. */
  isPeerAwaited(): boolean
}

/** The connection was idle for too long in the middle of an exchange. */
export class IdleTimeoutError extends Error {
  override readonly name = 'IdleTimeoutError'
}

/** The sink, or whoever chose it, threw: `cause` is what it threw. */
export class ReceiverError extends Error {
  override readonly name = 'ReceiverError'
}

/** The peer closed the connection before the answer was whole. */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError'
}

type State = 'idle' | 'head' | 'length' | 'chunked' | 'until-close' | 'complete' | 'closed'

const END_OF_HEAD = '\r\n\r\n'

export class WireConnection implements SliceOwner, WatchedTransfer {
  /** To be given to the socket when it is made. */
  readonly onread = {
    buffer: (): Uint8Array => this.#nextBuffer(),
    callback: (bytesRead: number): boolean => this.#read(bytesRead),
  }
  /** It has carried a whole exchange before. */
  wasUsed = false
  readonly #buffers: BufferPool
  readonly #statistics: WireStatistics
  readonly #rates: RateWatch
  readonly #idleTimeoutMs: number
  readonly #isTls: boolean
  readonly #small = new ReadBuffer(SMALL_BUFFER_BYTES)
  #socket: Socket | undefined
  #state: State = 'idle'
  #buffer: ReadBuffer
  /** Bytes of the buffer that came but were not handed on yet: from `#start` to `#end`. */
  #start = 0
  #end = 0
  #searchedTo = 0
  #listener: AnswerListener | undefined
  #isHeadRequest = false
  #isAnswered = false
  #receivedBytes = 0
  #informationalAnswers = 0
  #keepAlive = false
  #sink: ByteSink | undefined
  #isLarge = false
  #left = 0
  #decoder: ChunkedDecoder | undefined
  #unreleasedSlices = 0
  #unreleasedBuffers = 0
  /** The sink wants its slices released first: nothing is handed on and the socket does not read. */
  #isBlocked = false
  #isPaused = false
  #isAdvancing = false
  /** Nothing more will come: the peer has ended its side, or the socket is closed. */
  #isInputEnded = false
  #isBatchScheduled = false
  readonly #flushBatch = (): void => {
    this.#isBatchScheduled = false
    this.#proceed()
  }

  constructor(options: {
    readonly buffers: BufferPool
    readonly statistics: WireStatistics
    readonly rates: RateWatch
    readonly idleTimeoutMs: number
    readonly isTls: boolean
  }) {
    this.#buffers = options.buffers
    this.#statistics = options.statistics
    this.#rates = options.rates
    this.#idleTimeoutMs = options.idleTimeoutMs
    this.#isTls = options.isTls
    this.#small.owner = this
    this.#buffer = this.#small
  }

  /** Takes over a socket that was made with `onread`. */
  attach(socket: Socket): void {
    this.#socket = socket
    socket.on('timeout', () => this.#timedOut())
    socket.on('error', (error) => this.#break(error))
    socket.on('end', () => this.#endOfInput())
    socket.on('close', () => this.#endOfInput())
    if (this.#state === 'closed') socket.destroy()
  }

  get socket(): Socket {
    if (this.#socket === undefined) throw new Error('the connection has no socket yet')
    return this.#socket
  }

  get isUsable(): boolean {
    return this.#state === 'idle' && this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writable
  }

  /** The last answer permits another request, and nothing stands between. */
  get isReusable(): boolean {
    return this.#keepAlive && this.isUsable && this.#start === this.#end && !this.#isPaused && this.socket.writableLength === 0
  }

  /** Begins to wait for the answer to a request that is about to be written. */
  begin(listener: AnswerListener, isHeadRequest: boolean): void {
    const isUsable = this.isUsable
    this.#listener = listener
    this.#isHeadRequest = isHeadRequest
    this.#isAnswered = false
    this.#informationalAnswers = 0
    this.#keepAlive = false
    this.#state = 'head'
    this.socket.setTimeout(this.#idleTimeoutMs)
    this.#rates.add(this)
    if (!isUsable) setImmediate(() => this.#fail(new ConnectionClosedError('it was closed before the request was sent')))
  }

  get movedBytes(): number {
    return this.#receivedBytes + (this.#socket === undefined ? 0 : sentBytes(this.#socket))
  }

  get isPeerMoving(): boolean {
    if (this.#isBlocked) return false
    if (this.#state === 'head') return this.#isAnswered || this.socket.writableLength > 0
    return this.#state === 'length' || this.#state === 'chunked' || this.#state === 'until-close'
  }

  tooSlow(error: SlowTransferError): void {
    this.#fail(error)
  }

  /** Lets nobody hear of this connection again, and closes it at once. */
  destroy(): void {
    this.#rates.delete(this)
    this.#listener = undefined
    this.#state = 'closed'
    this.#socket?.destroy()
  }

  /** Called by a buffer of ours when a sink gave a slice of it back. */
  released(buffer: ReadBuffer): void {
    this.#unreleasedSlices -= 1
    if (buffer.unreleasedSlices === 0) {
      this.#unreleasedBuffers -= 1
      if (buffer.retired) this.#buffers.give(buffer)
    }
    if (this.#unreleasedSlices > 0 || this.#isAdvancing) return
    this.#isBlocked = false
    this.#proceed()
  }

  /** Goes on outside the read callback, as far as it can: hands on what lies in the buffer, then lets the socket read again. */
  #proceed(): void {
    this.#advance()
    if (this.#isBlocked) {
      if (!this.#isPaused) this.#socket?.pause()
      this.#isPaused = true
      return
    }
    if (this.#isPaused) {
      this.#isPaused = false
      if (this.#socket?.destroyed === false) this.#socket.resume()
    }
    if (this.#isInputEnded) this.#endOfInput()
    this.#finishIfReleased()
  }

  /** The read callback: `bytesRead` more bytes lie at `#end`; answers whether to go on reading. */
  #read(bytesRead: number): boolean {
    this.#statistics.bytesReceived += bytesRead
    this.#receivedBytes += bytesRead
    this.#end += bytesRead
    if (this.#state === 'idle' || this.#state === 'complete') {
      // An answer to no request: whatever comes next on this connection could be mistaken for another one.
      this.#keepAlive = false
      if (this.#state === 'idle') this.destroy()
      return true
    }
    this.#isAnswered = true
    if (this.#isBlocked) return this.#paused()
    if (this.#isBatchable()) {
      if (!this.#isBatchScheduled) {
        this.#isBatchScheduled = true
        setImmediate(this.#flushBatch)
      }
      return true
    }
    this.#advance()
    if (this.#isBlocked) return this.#paused()
    this.#finishIfReleased()
    return true
  }

  #paused(): false {
    this.#isPaused = true
    return false
  }

  /** TLS gives one record at a time: they are laid one after another and handed on together. */
  #isBatchable(): boolean {
    const available = this.#end - this.#start
    return (
      this.#isTls &&
      this.#isLarge &&
      this.#state === 'length' &&
      available < this.#left &&
      this.#buffer.bytes.length - this.#end >= TLS_BATCH_ROOM_BYTES
    )
  }

  /** Where the socket reads next. Called by the socket only, when it is made and after each read. */
  #nextBuffer(): Uint8Array {
    const current = this.#buffer
    if (this.#start === this.#end) {
      this.#start = this.#end = this.#searchedTo = 0
      const wantsLarge = this.#isLarge && this.#state !== 'idle' && this.#state !== 'complete'
      if (current.unreleasedSlices > 0 || (current !== this.#small) !== wantsLarge) this.#change(wantsLarge)
      return this.#buffer.bytes
    }
    if (this.#end < current.bytes.length) return current.bytes.subarray(this.#end)
    // Full, and nothing of it can be handed on: a long head, or TLS records that come although reading was stopped. Rare and bounded, so a copy will do.
    const grown = new ReadBuffer(Math.max((this.#end - this.#start) * 2, SMALL_BUFFER_BYTES))
    current.bytes.copy(grown.bytes, 0, this.#start, this.#end)
    this.#searchedTo = Math.max(this.#searchedTo - this.#start, 0)
    this.#end -= this.#start
    this.#start = 0
    this.#leave(current)
    this.#buffer = grown
    grown.owner = this
    return grown.bytes.subarray(this.#end)
  }

  #change(wantsLarge: boolean): void {
    this.#leave(this.#buffer)
    if (wantsLarge) this.#buffer = this.#buffers.take()
    else this.#buffer = this.#small.unreleasedSlices === 0 ? this.#small : new ReadBuffer(SMALL_BUFFER_BYTES)
    this.#buffer.owner = this
  }

  #leave(buffer: ReadBuffer): void {
    if (buffer === this.#small) return
    if (buffer.unreleasedSlices > 0) buffer.retired = true
    else this.#buffers.give(buffer)
  }

  /** The socket is gone, so nothing is read into the current buffer any more. */
  #retire(): void {
    this.#leave(this.#buffer)
    this.#buffer = this.#small
    this.#start = this.#end = 0
  }

  /** Hands on what has come, as far as the sink takes it. */
  #advance(): void {
    if (this.#isBlocked || this.#isAdvancing) return
    this.#isAdvancing = true
    try {
      let moved = true
      while (moved && !this.#isBlocked) moved = this.#step()
    } catch (error) {
      this.#fail(error instanceof MalformedAnswerError ? error : new ReceiverError('the receiver of the answer failed', {cause: error}))
    } finally {
      this.#isAdvancing = false
    }
  }

  /** Answers whether another step may find something to do. */
  #step(): boolean {
    const available = this.#end - this.#start
    switch (this.#state) {
      case 'head':
        return available > 0 && this.#parseHead()
      case 'length': {
        const length = Math.min(available, this.#left)
        if (length === 0) return false
        this.#left -= length
        if (this.#left === 0) this.#state = 'complete'
        this.#hand(length)
        return true
      }
      case 'until-close':
        if (available === 0) return false
        this.#hand(available)
        return true
      case 'chunked':
        return this.#decodeChunk()
      default:
        return false
    }
  }

  #decodeChunk(): boolean {
    const decoder = this.#decoder
    if (decoder === undefined || this.#start === this.#end) return false
    const length = decoder.next(this.#buffer.bytes, this.#start, this.#end)
    this.#start = decoder.position - length
    if (length > 0) this.#hand(length)
    if (decoder.isDone) this.#state = 'complete'
    return length > 0
  }

  /** Gives the next `length` bytes to the sink. */
  #hand(length: number): void {
    const buffer = this.#buffer
    const from = this.#start
    this.#start += length
    const whole = from === 0 && length === buffer.bytes.length
    if (buffer.unreleasedSlices === 0) this.#unreleasedBuffers += 1
    buffer.unreleasedSlices += 1
    this.#unreleasedSlices += 1
    let wantsMore = false
    try {
      wantsMore = this.#sink?.write(whole ? buffer.bytes : buffer.bytes.subarray(from, from + length), buffer.release) ?? true
    } catch (error) {
      // A slice that was refused is still ours.
      buffer.release()
      throw error
    }
    if (this.#state === 'complete' || this.#unreleasedSlices === 0) return
    this.#isBlocked = !wantsMore || this.#unreleasedBuffers >= MAX_UNRELEASED_BUFFERS
  }

  #parseHead(): boolean {
    const {bytes} = this.#buffer
    const found = bytes
      .subarray(0, this.#end)
      .indexOf(END_OF_HEAD, Math.max(this.#start, this.#searchedTo - END_OF_HEAD.length + 1), 'latin1')
    if ((found < 0 ? this.#end : found) - this.#start > MAX_HEAD_BYTES)
      throw new MalformedAnswerError('the head of the answer is too large')
    if (found < 0) {
      this.#searchedTo = this.#end
      return false
    }
    const head = parseAnswerHead(bytes.toString('latin1', this.#start, found))
    this.#start = found + END_OF_HEAD.length
    this.#searchedTo = this.#start
    if (head.status < 200) {
      this.#informationalAnswers += 1
      if (head.status === 101 || this.#informationalAnswers > MAX_INFORMATIONAL_ANSWERS) {
        throw new MalformedAnswerError('the server answers only with informational answers, or changes the protocol')
      }
      return true
    }
    this.#beginBody(head)
    return true
  }

  #beginBody(head: AnswerHead): void {
    const hasBody = !this.#isHeadRequest && head.status !== 204 && head.status !== 304
    const framing: AnswerHead['framing'] = hasBody ? head.framing : {kind: 'length', sizeBytes: 0}
    // Without a body the missing length says nothing about the connection.
    this.#keepAlive =
      head.keepAlive || (!hasBody && head.framing.kind === 'until-close' && head.headers.connection?.toLowerCase() !== 'close')
    const destination = this.#listener?.headArrived({...head, framing})
    if (this.#state !== 'head') return
    this.#sink = destination?.sink
    this.#isLarge = destination?.isLarge ?? false
    this.#decoder = framing.kind === 'chunked' ? new ChunkedDecoder() : undefined
    this.#left = framing.kind === 'length' ? framing.sizeBytes : 0
    this.#state = framing.kind === 'length' && framing.sizeBytes === 0 ? 'complete' : framing.kind
  }

  #finishIfReleased(): void {
    if (this.#state !== 'complete' || this.#unreleasedSlices > 0) return
    const listener = this.#listener
    this.#listener = undefined
    this.#sink = undefined
    this.#decoder = undefined
    this.#isLarge = false
    this.#state = 'idle'
    this.wasUsed = true
    this.#rates.delete(this)
    this.#socket?.setTimeout(0)
    if (this.#start !== this.#end) this.#keepAlive = false
    listener?.ended()
  }

  #timedOut(): void {
    const listener = this.#listener
    if (listener === undefined) {
      if (this.#state === 'idle') this.destroy()
    } else if (this.#isBlocked || this.#state === 'complete' || !listener.isPeerAwaited()) {
      this.#socket?.setTimeout(this.#idleTimeoutMs)
    } else {
      this.#fail(new IdleTimeoutError(`no byte moved for ${this.#idleTimeoutMs / 1000} s`))
    }
  }

  /** No byte comes any more: the end of a body that lasts until then, a failure of any other. What has come is handed on first. */
  #endOfInput(): void {
    this.#isInputEnded = true
    this.#keepAlive = false
    this.#advance()
    if (this.#isBlocked && this.#state !== 'closed') return
    if (this.#state === 'until-close') this.#state = 'complete'
    if (this.#state === 'idle') this.destroy()
    else if (this.#state === 'complete') this.#finishIfReleased()
    else if (this.#state !== 'closed') this.#fail(new ConnectionClosedError(this.#shortfall()))
    if (this.#socket?.destroyed === true) this.#retire()
  }

  #shortfall(): string {
    return this.#state === 'length' ? `it was closed with ${this.#left} bytes still to come` : 'it was closed before the answer was whole'
  }

  #break(cause: Error): void {
    this.#keepAlive = false
    // When the answer is whole, what happens to the connection afterwards is of no interest to whoever waits for its slices.
    if (this.#state === 'complete') this.#socket?.destroy()
    else this.#fail(cause)
  }

  #fail(cause: Error): void {
    const listener = this.#listener
    const isAnswered = this.#isAnswered
    this.destroy()
    listener?.failed(cause, isAnswered)
  }
}
