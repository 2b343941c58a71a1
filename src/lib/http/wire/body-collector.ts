/** A sink that keeps an answer's body in memory, up to a cap. */
import type {ByteSink} from '../../core/byte-sink.ts'
import {IntegrityError} from '../../core/errors.ts'

export class BodyCollector implements ByteSink {
  readonly #maxBytes: number
  readonly #name: string
  #chunks: Buffer[] = []
  #sizeBytes = 0

  /** `name` is what the error calls the answer. */
  constructor(maxBytes: number, name: string) {
    this.#maxBytes = maxBytes
    this.#name = name
  }

  /** @throws {IntegrityError} when the body is larger than the cap. */
  write(chunk: Uint8Array, release: () => void): boolean {
    this.#sizeBytes += chunk.length
    if (this.#sizeBytes > this.#maxBytes) throw this.tooLarge()
    this.#chunks.push(Buffer.from(chunk))
    release()
    return true
  }

  tooLarge(): IntegrityError {
    return new IntegrityError(`cannot read "${this.#name}": the answer has more than ${this.#maxBytes} bytes`)
  }

  get body(): Buffer {
    const [only] = this.#chunks
    return this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks, this.#sizeBytes)
  }
}
