/** The request body that is pushed by its source: the sink on top of a socket. */
import type {ByteSink} from '../../core/byte-sink.ts'
import {HoldfastError, IntegrityError} from '../../core/errors.ts'
import type {WireConnection, WireStatistics} from './connection.ts'

/** What an upload needs of the exchange that it is part of. */
export interface UploadOwner {
  /** Writes the request's head; the first slice follows in the same packet. */
  writeHead(connection: WireConnection): void
  /** The connection that was kept for the upload is gone before anything was sent. */
  connectionLost(): void
  /** The source pushes more than it announced. */
  uploadFailed(error: HoldfastError): void
}

/** One streamed body. Refuses slices, by throwing, once nobody wants them any more; a refused slice stays its giver's. */
export class Upload implements ByteSink {
  readonly #sizeBytes: number
  readonly #name: string
  readonly #owner: UploadOwner
  readonly #statistics: WireStatistics
  #connection: WireConnection | undefined
  #sentBytes = 0
  #hasBegun = false
  #isStopped = false
  /** The first slice, while the connection is not there yet. */
  #held: {readonly chunk: Uint8Array; readonly release: () => void} | undefined

  constructor(sizeBytes: number, name: string, owner: UploadOwner, statistics: WireStatistics) {
    this.#sizeBytes = sizeBytes
    this.#name = name
    this.#owner = owner
    this.#statistics = statistics
  }

  /** A byte may have reached the server. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** Every byte was given to the socket. */
  get isComplete(): boolean {
    return this.#hasBegun && this.#sentBytes === this.#sizeBytes
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    if (this.#isStopped) throw new HoldfastError('INTERRUPTED', `cannot send "${this.#name}": the receiver has stopped reading`)
    if (this.#sentBytes + chunk.length > this.#sizeBytes) {
      const error = new IntegrityError(`cannot send "${this.#name}": more bytes came than the ${this.#sizeBytes} announced`)
      this.#owner.uploadFailed(error)
      throw error
    }
    this.#sentBytes += chunk.length
    const connection = this.#connection
    if (!this.#hasBegun) {
      if (connection?.isUsable === true) return this.#begin(connection, chunk, release)
      this.#held = {chunk, release}
      if (connection !== undefined) this.#lost()
      return false
    }
    if (connection === undefined) return false
    return this.#send(connection, chunk, release)
  }

  /** The connection is there: sends what was held back for it. */
  connected(connection: WireConnection): void {
    this.#connection = connection
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#begin(connection, held.chunk, held.release)
  }

  /**
   * The source has pushed all it has.
   * @throws {IntegrityError} when that is less than it announced.
   */
  finished(): void {
    if (this.#isStopped) return
    if (this.#sentBytes < this.#sizeBytes) {
      throw new IntegrityError(`cannot send "${this.#name}": ${this.#sentBytes} bytes came of the ${this.#sizeBytes} announced`)
    }
    // An empty body has no slice that the head could wait for.
    if (!this.#hasBegun && this.#held === undefined) this.write(new Uint8Array(0), () => {})
  }

  /** Takes no more, and gives back the slice that is held, if any. */
  stop(): void {
    this.#isStopped = true
    const held = this.#held
    this.#held = undefined
    held?.release()
  }

  #lost(): void {
    this.#connection = undefined
    this.#owner.connectionLost()
  }

  #begin(connection: WireConnection, chunk: Uint8Array, release: () => void): boolean {
    this.#hasBegun = true
    connection.socket.cork()
    this.#owner.writeHead(connection)
    connection.socket.write(chunk, release)
    connection.socket.uncork()
    this.#statistics.bytesSent += chunk.length
    return connection.socket.writableLength === 0
  }

  #send({socket}: WireConnection, chunk: Uint8Array, release: () => void): boolean {
    socket.write(chunk, release)
    this.#statistics.bytesSent += chunk.length
    return socket.writableLength === 0
  }
}
