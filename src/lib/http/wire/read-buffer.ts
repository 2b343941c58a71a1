/** Buffers that sockets read into and sinks borrow slices of. */
import {LARGE_BUFFER_BYTES, MAX_SPARE_BUFFERS} from './limits.ts'

/** Told when a slice came back. */
export interface SliceOwner {
  released(buffer: ReadBuffer): void
}

/** One buffer with the count of its slices that a sink still holds. Its `release` serves every slice, so none is allocated per chunk. */
export class ReadBuffer {
  readonly bytes: Buffer
  owner: SliceOwner | undefined
  unreleasedSlices = 0
  /** No connection reads into it any more: it goes back to the spare ones with its last slice. */
  retired = false
  readonly release = (): void => {
    this.unreleasedSlices -= 1
    this.owner?.released(this)
  }

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes)
  }
}

/** Keeps a few large buffers of finished bodies for the next ones. */
export class BufferPool {
  readonly #spare: ReadBuffer[] = []

  take(): ReadBuffer {
    return this.#spare.pop() ?? new ReadBuffer(LARGE_BUFFER_BYTES)
  }

  /** Takes back a buffer that nothing reads into and nobody holds a slice of; those of another size are left to the garbage collector. */
  give(buffer: ReadBuffer): void {
    buffer.owner = undefined
    buffer.retired = false
    if (buffer.bytes.length === LARGE_BUFFER_BYTES && this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(buffer)
  }
}
