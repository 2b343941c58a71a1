/** A sink that writes into a file: slices are gathered while the previous write is in the thread pool, and leave together. */
import type {FileHandle} from 'node:fs/promises'
import type {ByteSink} from '../../core/byte-sink.ts'

/** Bytes handed over and not yet written beyond which the giver is asked to wait. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024
/** Slices handed over and not yet written beyond which the giver is asked to wait: slices of one byte cost a hundred times their bytes. */
const HIGH_WATER_SLICES = 4096
/** A gathered write ends with the slice that reaches this size. Linux takes larger ones from pages that are slower to get: 1 GB took 2.4 s instead of 2.7 s. */
const WRITE_BYTES = 128 * 1024
/** Slices of one gathered write; below every system's IOV_MAX. */
const MAX_SLICES_PER_WRITE = 512

export interface FileSinkOptions {
  /** Where in the file the first slice goes. */
  readonly position: number
  /** Called after each write with the position that all bytes before it have reached. */
  readonly onWritten?: (position: number) => void
  /** Called once when the disk refuses or `checkPosition` throws; later slices are dropped. */
  readonly onFailure?: (error: unknown) => void
  /** Called before each write with the position that it reaches; rejects when the file must not grow to it. */
  readonly beforeWrite?: ((position: number) => Promise<void>) | undefined
  /** Throws when a file must not grow to `position`. */
  readonly checkPosition?: (position: number) => void
}

interface Slice {
  readonly chunk: Uint8Array
  readonly release: () => void
}

export class FileSink implements ByteSink {
  readonly #file: FileHandle
  readonly #options: FileSinkOptions
  readonly #queue: Slice[] = []
  #queuedBytes = 0
  /** Where the file will end once everything handed over is written. */
  #handedOver: number
  #position: number
  #pump: Promise<void> = Promise.resolve()
  #isWriting = false
  #failure: {readonly error: unknown} | undefined

  constructor(file: FileHandle, options: FileSinkOptions) {
    this.#file = file
    this.#options = options
    this.#position = options.position
    this.#handedOver = options.position
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    if (this.#failure === undefined) this.#check(this.#handedOver + chunk.length)
    if (this.#failure !== undefined) {
      release()
      return true
    }
    this.#handedOver += chunk.length
    this.#queue.push({chunk, release})
    this.#queuedBytes += chunk.length
    if (!this.#isWriting) this.#pump = this.#writeQueue()
    return this.#queuedBytes < HIGH_WATER_BYTES && this.#queue.length < HIGH_WATER_SLICES
  }

  /**
   * Settles when everything handed over is in the file.
   * @throws what the disk or `checkPosition` said, when either refused.
   */
  async drain(): Promise<number> {
    await this.#pump
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#position
  }

  #check(position: number): void {
    try {
      this.#options.checkPosition?.(position)
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#failure = {error}
    this.#options.onFailure?.(error)
  }

  /** Never rejects: a failure is kept for `drain`. */
  async #writeQueue(): Promise<void> {
    this.#isWriting = true
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, countSlices(this.#queue))
      try {
        if (this.#failure === undefined) await this.#writeAll(batch.map(({chunk}) => chunk))
      } catch (error) {
        this.#fail(error)
      }
      for (const {chunk, release} of batch) {
        this.#queuedBytes -= chunk.length
        release()
      }
      if (this.#failure === undefined) this.#options.onWritten?.(this.#position)
    }
    this.#isWriting = false
  }

  async #writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.length > 0)
    await this.#options.beforeWrite?.(rest.reduce((end, {length}) => end + length, this.#position))
    while (rest.length > 0) {
      const {bytesWritten} = await this.#file.writev(rest, this.#position)
      this.#position += bytesWritten
      rest = dropBytes(rest, bytesWritten)
    }
  }
}

/** How many of the first slices make one write. */
function countSlices(queue: readonly Slice[]): number {
  let sizeBytes = 0
  const last = queue.findIndex(({chunk}) => {
    sizeBytes += chunk.length
    return sizeBytes >= WRITE_BYTES
  })
  return Math.min(last < 0 ? queue.length : last + 1, MAX_SLICES_PER_WRITE)
}

function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let toDrop = count
  for (const chunk of chunks) {
    if (toDrop < chunk.length) rest.push(toDrop === 0 ? chunk : chunk.subarray(toDrop))
    toDrop = Math.max(0, toDrop - chunk.length)
  }
  return rest
}
