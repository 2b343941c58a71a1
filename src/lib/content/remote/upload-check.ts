/** What stands between a blob's source and the registry: counts every byte, hashes where that is wanted, and lets no wrong blob become complete. */
import type {Hash} from 'node:crypto'
import type {ByteSink} from '../../core/byte-sink.ts'
import {IntegrityError} from '../../core/errors.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {createDigestHash, digestAlgorithm, finishDigest} from '../../oci/digest.ts'
import type {BlobSource} from '../store.ts'

/** How far apart the states of the hash are kept that an upload can be resumed from, in bytes. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024
/** States kept: a registry that lost more than the bytes between them gets the whole blob again. */
const MAX_CHECKPOINTS = 16

interface Checkpoint {
  readonly at: number
  readonly hash: Hash | undefined
}

/** One blob on its way up; used again for each resumed part, and knows what was hashed by then. */
export class UploadCheck {
  readonly #blob: BlobDescriptor
  readonly #action: string
  readonly #isHashed: boolean
  #checkpoints: Checkpoint[]
  #sourceFailure: unknown

  constructor(blob: BlobDescriptor, action: string, isHashed: boolean) {
    this.#blob = blob
    this.#action = action
    this.#isHashed = isHashed
    this.#checkpoints = [{at: 0, hash: isHashed ? createDigestHash(blob.digest) : undefined}]
  }

  /** Tells whether an error is the source's own: the target has nothing to do with it, and another try at the target does not help. */
  isSourceFailure(error: unknown): boolean {
    return error !== undefined && error === this.#sourceFailure
  }

  /**
   * Pushes the blob from byte `offset` on into `target`. The last slice is handed over only when all bytes were counted and, where hashing, have the blob's digest.
   * @throws {HoldfastError} INTEGRITY; the target has then not seen a whole body.
   */
  async push(source: BlobSource, offset: number, target: ByteSink, signal: AbortSignal | undefined): Promise<void> {
    const start = this.#rewind(offset)
    const stop = new AbortController()
    const sink = new CheckedSink(target, this.#blob, this.#action, offset, start, (at, hash) => this.#keep(at, hash))
    try {
      await source(sink, start.at, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]))
    } catch (error) {
      if (sink.failure !== undefined) throw sink.failure
      // The registry answered before the end and takes no more: its answer says why, not the source's interruption.
      if (sink.isTargetGone) return
      this.#sourceFailure = error
      throw error
    } finally {
      stop.abort()
    }
    if (sink.isTargetGone) return
    sink.finish()
  }

  /** The state of the hash from which `offset` can be reached; what lies between is read again, and hashed, and not sent. */
  #rewind(offset: number): Checkpoint {
    const usable = this.#isHashed ? this.#checkpoints.filter(({at}) => at <= offset) : [{at: offset, hash: undefined}]
    const latest = usable.at(-1) ?? {at: 0, hash: createDigestHash(this.#blob.digest)}
    if (this.#isHashed) this.#checkpoints = [...usable]
    return {at: latest.at, hash: latest.hash?.copy()}
  }

  #keep(at: number, hash: Hash): void {
    if (at - (this.#checkpoints.at(-1)?.at ?? 0) < CHECKPOINT_BYTES) return
    this.#checkpoints.push({at, hash: hash.copy()})
    if (this.#checkpoints.length > MAX_CHECKPOINTS) this.#checkpoints.splice(1, 1)
  }
}

class CheckedSink implements ByteSink {
  readonly #target: ByteSink
  readonly #blob: BlobDescriptor
  readonly #action: string
  readonly #offset: number
  readonly #hash: Hash | undefined
  readonly #keep: (at: number, hash: Hash) => void
  #position: number
  failure: IntegrityError | undefined
  isTargetGone = false

  constructor(
    target: ByteSink,
    blob: BlobDescriptor,
    action: string,
    offset: number,
    start: Checkpoint,
    keep: (at: number, hash: Hash) => void,
  ) {
    this.#target = target
    this.#blob = blob
    this.#action = action
    this.#offset = offset
    this.#hash = start.hash
    this.#position = start.at
    this.#keep = keep
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    const before = this.#position
    this.#position += chunk.length
    if (this.#position > this.#blob.size) throw this.#fail(`more than its ${this.#blob.size} bytes came from the source`)
    if (this.#hash !== undefined) {
      this.#hash.update(chunk)
      if (this.#position < this.#blob.size) this.#keep(this.#position, this.#hash)
      else this.#assertDigest(this.#hash)
    }
    const wanted = before >= this.#offset ? chunk : chunk.subarray(Math.min(chunk.length, this.#offset - before))
    if (wanted.length === 0) {
      release()
      return true
    }
    try {
      return this.#target.write(wanted, release)
    } catch (error) {
      this.isTargetGone = true
      throw error
    }
  }

  finish(): void {
    if (this.failure !== undefined) throw this.failure
    if (this.#position < this.#blob.size) throw this.#fail(`the source ended after ${this.#position} of its ${this.#blob.size} bytes`)
    if (this.#hash !== undefined && this.#blob.size === 0) this.#assertDigest(this.#hash)
  }

  #assertDigest(hash: Hash): void {
    const actual = finishDigest(hash, digestAlgorithm(this.#blob.digest))
    if (actual !== this.#blob.digest) throw this.#fail(`the bytes of the source have digest ${actual}`, actual)
  }

  #fail(reason: string, actual?: string): IntegrityError {
    this.failure = new IntegrityError(`cannot ${this.#action}: ${reason}`, {
      details: {expected: this.#blob.digest, size: this.#blob.size, ...(actual === undefined ? {} : {actual})},
    })
    return this.failure
  }
}
