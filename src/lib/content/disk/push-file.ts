/** Reading a file into a sink with two reused buffers: one is filled while the other is on its way. */
import type {FileHandle} from 'node:fs/promises'
import type {ByteSink} from '../../core/byte-sink.ts'
import {IntegrityError, interrupted} from '../../core/errors.ts'
import {openRegularFile} from '../../core/regular-file.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {ReadBlobOptions} from '../store.ts'

const BUFFER_BYTES = 1024 * 1024
const BUFFERS_PER_FILE = 2
/** Reads that may use such buffers at once; each further one, of which the clients are many or stalled, uses smaller ones. */
const MAX_LARGE_READS = 16
const SMALL_BUFFER_BYTES = 64 * 1024
/** Buffers kept for the next file, so that many reads in turn allocate once. */
const MAX_IDLE_BUFFERS = 8

const idleBuffers: Buffer[] = []
let largeReads = 0

/**
 * Pushes the file of a blob, or a range of it; settles once the last slice was released.
 * @throws {HoldfastError} INTEGRITY when the file is not as large as the descriptor says, or ends early; INTERRUPTED
 */
export async function pushFile(path: string, blob: BlobDescriptor, sink: ByteSink, {range, signal}: ReadBlobOptions): Promise<void> {
  const file = await openRegularFile(path)
  try {
    const {size} = await file.stat()
    if (size !== blob.size) {
      throw new IntegrityError(`cannot read blob "${blob.digest}": it has ${size} bytes, its descriptor says ${blob.size}`, {
        details: {digest: blob.digest, expected: blob.size, actual: size},
      })
    }
    const end = Math.min(size, (range?.end ?? size - 1) + 1)
    const position = await pushRange(file, {start: range?.start ?? 0, end, sink, signal})
    if (position < end) {
      throw new IntegrityError(`cannot read blob "${blob.digest}": its file became shorter than ${size} bytes`, {
        details: {digest: blob.digest},
      })
    }
  } finally {
    await file.close()
  }
}

export interface PushedRange {
  /** First byte, and the one behind the last. */
  readonly start: number
  readonly end: number
  readonly sink: ByteSink
  readonly signal?: AbortSignal | undefined
  /** How many bytes of a file that still grows can be read from `position` on; 0 when no more comes. All of them when absent. */
  readonly readable?: (position: number) => Promise<number>
}

/** Pushes a part of a file; settles once the last slice was released, with the first byte that was not pushed: `end`, unless the file ends early. */
export async function pushRange(file: FileHandle, {start, end, sink, signal, readable}: PushedRange): Promise<number> {
  const isLarge = largeReads < MAX_LARGE_READS
  if (isLarge) largeReads++
  const outgoing = new Outgoing(Math.min(isLarge ? BUFFER_BYTES : SMALL_BUFFER_BYTES, Math.max(0, end - start)), signal)
  let position = start
  try {
    while (position < end) {
      const length = Math.min(end - position, (await readable?.(position)) ?? end - position)
      if (length === 0) break
      const buffer = await outgoing.takeBuffer()
      const {bytesRead} = await file.read(buffer, 0, Math.min(buffer.length, length), position)
      if (bytesRead === 0) break
      await outgoing.push(sink, buffer, bytesRead)
      position += bytesRead
    }
    await outgoing.allReleased()
  } finally {
    if (isLarge) largeReads--
    outgoing.close()
  }
  return position
}

/** The buffers of one file and how many of them the sink still holds. */
class Outgoing {
  readonly #bufferBytes: number
  readonly #signal: AbortSignal | undefined
  readonly #free: Buffer[] = []
  #made = 0
  #held = 0
  #isFull = false
  #wake: (() => void) | undefined
  #isClosed = false
  readonly #onAbort = (): void => this.#wake?.()

  constructor(bufferBytes: number, signal: AbortSignal | undefined) {
    this.#bufferBytes = bufferBytes
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
  }

  async takeBuffer(): Promise<Buffer> {
    await this.#until(() => this.#free.length > 0 || this.#made < BUFFERS_PER_FILE)
    const free = this.#free.pop()
    if (free !== undefined) return free
    this.#made += 1
    return (this.#bufferBytes === BUFFER_BYTES ? idleBuffers.pop() : undefined) ?? Buffer.allocUnsafeSlow(this.#bufferBytes)
  }

  async push(sink: ByteSink, buffer: Buffer, length: number): Promise<void> {
    if (this.#isFull) await this.allReleased()
    this.#held += 1
    this.#isFull = !sink.write(length === buffer.length ? buffer : buffer.subarray(0, length), () => {
      this.#held -= 1
      if (this.#isClosed) keepIdle(buffer)
      else this.#free.push(buffer)
      this.#wake?.()
    })
  }

  async allReleased(): Promise<void> {
    await this.#until(() => this.#held === 0)
  }

  close(): void {
    this.#isClosed = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const buffer of this.#free) keepIdle(buffer)
  }

  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#signal?.aborted) throw interrupted()
      if (condition()) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}

function keepIdle(buffer: Buffer): void {
  if (buffer.length === BUFFER_BYTES && idleBuffers.length < MAX_IDLE_BUFFERS) idleBuffers.push(buffer)
}
