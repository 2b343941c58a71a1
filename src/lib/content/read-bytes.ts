/** Reading a small blob whole: configs, never layers. */
import {ByteCollector} from '../core/byte-collector.ts'
import type {ByteSink} from '../core/byte-sink.ts'
import {HoldfastError, IntegrityError} from '../core/errors.ts'
import type {BlobDescriptor} from '../oci/descriptor.ts'
import {digestAlgorithm, digestOf} from '../oci/digest.ts'
import type {RepositoryName} from '../oci/reference.ts'
import type {BlobReader, CallOptions} from './store.ts'

/** A sink that keeps copies of what it is given, up to a cap. */
export class CollectingSink implements ByteSink {
  readonly #collected: ByteCollector

  constructor(maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#collected = new ByteCollector(maxBytes)
  }

  /** @throws {IntegrityError} when more than the cap comes. */
  write(chunk: Uint8Array, release: () => void): boolean {
    if (!this.#collected.add(chunk)) throw new IntegrityError(`cannot read blob: it has more than ${this.#collected.maxBytes} bytes`)
    release()
    return true
  }

  bytes(): Buffer {
    return this.#collected.bytes
  }
}

/**
 * Reads a blob into memory and checks it against its descriptor.
 * @throws {HoldfastError} INTEGRITY when the bytes do not match; INVALID_MANIFEST when it says that it is larger than `maxBytes`.
 */
export async function readBlobBytes(
  store: BlobReader,
  repository: RepositoryName,
  blob: BlobDescriptor,
  maxBytes: number,
  options: CallOptions = {},
): Promise<Buffer> {
  if (blob.size > maxBytes)
    throw new HoldfastError('INVALID_MANIFEST', `cannot read blob "${blob.digest}": ${blob.size} bytes are more than ${maxBytes}`)
  const sink = new CollectingSink(blob.size)
  await store.readBlob(repository, blob, sink, options)
  const bytes = sink.bytes()
  const actual = digestOf(bytes, digestAlgorithm(blob.digest))
  if (actual !== blob.digest)
    throw new IntegrityError(`cannot trust blob "${blob.digest}": the bytes received have digest ${actual}`, {
      details: {expected: blob.digest, actual},
    })
  return bytes
}
