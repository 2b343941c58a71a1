/** A file that one writer fills while any number of readers follow behind it, each at its own pace: the writer waits for none of them. */
import type {FileHandle} from 'node:fs/promises'
import type {ByteSink} from '../../core/byte-sink.ts'
import {openRegularFile} from '../../core/regular-file.ts'
import {unlessAborted} from '../../core/settle-within.ts'
import type {ReadBlobOptions} from '../store.ts'
import {pushRange} from './push-file.ts'

/** A reader that is close behind the writer waits a moment for so many bytes, so that each of them costs less. */
const GATHERED_BYTES = 1024 * 1024
const GATHER_MS = 10

/** What a writer reports about its file. */
export interface Growth {
  /** The file exists and is empty; to be awaited, so that a later rename takes it away from no reader. */
  opened(path: string): Promise<void>
  /** The file is complete up to `position`, in bytes. */
  written(position: number): void
  /** The bytes have the digest that they should have. */
  verified(): void
}

/** How far a reader came: `position` is the first byte that it lacks. */
export interface Followed {
  readonly position: number
  /** Why the writer gave up. */
  readonly failure?: unknown
}

/**
 * The last byte is held back until the bytes are verified, so that no reader takes wrong bytes for the whole.
 * The writer calls the methods of `Growth`, and then `end` once.
 */
export class GrowingFile implements Growth {
  readonly #size: number
  #file: FileHandle | undefined
  /** Readers, and the writer. */
  #users = 1
  #position = 0
  #verifiedAtMs: number | undefined
  #ended: {readonly failure?: unknown} | undefined
  #change = Promise.withResolvers<void>()

  /** @param size that the file will have, in bytes. */
  constructor(size: number) {
    this.#size = size
  }

  /** When the bytes were verified, in milliseconds since the epoch. */
  get verifiedAtMs(): number | undefined {
    return this.#verifiedAtMs
  }

  async opened(path: string): Promise<void> {
    this.#file = await openRegularFile(path)
    this.#tell()
  }

  written(position: number): void {
    this.#position = Math.max(this.#position, position)
    this.#tell()
  }

  verified(): void {
    this.#verifiedAtMs = Date.now()
    this.#tell()
  }

  /** No more comes. Without a failure the store has all of it, and a reader of a file that was never opened finds it there. */
  end(outcome: {readonly failure?: unknown}): void {
    if (this.#ended !== undefined) return
    this.#ended = outcome
    this.#tell()
    this.#leave()
  }

  /**
   * Pushes the file, or a range of it, as it grows; settles once the last slice was released. Ends early when the writer failed, or had no file.
   * @throws the reason of the signal.
   */
  async read(sink: ByteSink, {range, signal}: ReadBlobOptions = {}): Promise<Followed> {
    const start = range?.start ?? 0
    const end = Math.min(this.#size, (range?.end ?? this.#size - 1) + 1)
    this.#users++
    try {
      while (this.#file === undefined && this.#ended === undefined) await unlessAborted(this.#change.promise, signal)
      const file = this.#file
      const position =
        file === undefined ? start : await pushRange(file, {start, end, sink, signal, readable: (at) => this.#readable(at, signal)})
      return position < end ? {position, ...this.#ended} : {position}
    } finally {
      this.#leave()
    }
  }

  /** How many bytes can be read from `position` on, waiting for the first one; 0 when no more comes. */
  async #readable(position: number, signal: AbortSignal | undefined): Promise<number> {
    for (let isGathered = false; ; ) {
      const limit = this.#verifiedAtMs === undefined ? this.#size - 1 : this.#size
      const count = Math.min(this.#position, limit) - position
      const isMoreNear = this.#ended === undefined && this.#position < limit
      if (count >= GATHERED_BYTES || (count > 0 && (isGathered || !isMoreNear))) return count
      if (count <= 0 && this.#ended !== undefined) return 0
      if (count <= 0) await unlessAborted(this.#change.promise, signal)
      else await new Promise((resolve) => setTimeout(resolve, GATHER_MS))
      isGathered = count > 0
    }
  }

  #tell(): void {
    const {resolve} = this.#change
    this.#change = Promise.withResolvers<void>()
    resolve()
  }

  #leave(): void {
    this.#users--
    if (this.#users > 0) return
    const file = this.#file
    this.#file = undefined
    // What was read was read: there is nothing left to fail.
    file?.close().catch(() => {})
  }
}
