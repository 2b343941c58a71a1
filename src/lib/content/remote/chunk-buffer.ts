/** Cuts what is pushed into chunks of equal size, for registries that take a blob only in parts. */
import type {ByteSink} from '../../core/byte-sink.ts'

/** Collects bytes, hands over each full chunk, and takes no more until that chunk was dealt with. */
export class ChunkBuffer implements ByteSink {
  readonly #buffer: Buffer
  readonly #send: (chunk: Uint8Array) => Promise<void>
  #filled = 0
  #sending: Promise<void> = Promise.resolve()
  #failure: unknown

  /** @param send - deals with one chunk; the bytes are its own until it settles. */
  constructor(chunkBytes: number, send: (chunk: Uint8Array) => Promise<void>) {
    this.#buffer = Buffer.allocUnsafe(chunkBytes)
    this.#send = send
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    if (this.#failure !== undefined) throw this.#failure
    const taken = this.#take(chunk)
    if (this.#filled < this.#buffer.length) {
      release()
      return true
    }
    const fail = (error: unknown): void => {
      this.#failure ??= error
    }
    this.#sending = this.#drain(chunk.subarray(taken)).catch(fail).then(release).catch(fail)
    return false
  }

  /** Hands over what is left, however little, once all was written. */
  async end(): Promise<void> {
    await this.#sending
    if (this.#failure !== undefined) throw this.#failure
    if (this.#filled > 0) await this.#flush()
  }

  async #drain(rest: Uint8Array): Promise<void> {
    let left = rest
    await this.#flush()
    while (left.length > 0) {
      left = left.subarray(this.#take(left))
      if (this.#filled === this.#buffer.length) await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    await this.#send(this.#buffer.subarray(0, this.#filled))
    this.#filled = 0
  }

  #take(chunk: Uint8Array): number {
    const count = Math.min(chunk.length, this.#buffer.length - this.#filled)
    this.#buffer.set(chunk.subarray(0, count), this.#filled)
    this.#filled += count
    return count
  }
}
