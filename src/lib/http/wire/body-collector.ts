/** A sink that keeps an answer's body in memory, up to a cap. */
import {ByteCollector} from '../../core/byte-collector.ts'
import type {ByteSink} from '../../core/byte-sink.ts'
import {IntegrityError} from '../../core/errors.ts'

export class BodyCollector implements ByteSink {
  readonly #bytes: ByteCollector
  readonly #name: string

  /** `name` is what the error calls the answer. */
  constructor(maxBytes: number, name: string) {
    this.#bytes = new ByteCollector(maxBytes)
    this.#name = name
  }

  /** @throws {IntegrityError} when the body is larger than the cap. */
  write(chunk: Uint8Array, release: () => void): boolean {
    if (!this.#bytes.add(chunk)) throw this.tooLarge()
    release()
    return true
  }

  tooLarge(): IntegrityError {
    return new IntegrityError(`cannot read "${this.#name}": the answer has more than ${this.#bytes.maxBytes} bytes`)
  }

  get body(): Buffer {
    return this.#bytes.bytes
  }
}
