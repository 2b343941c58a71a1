/**
 * One blob on its way from the upstream into the mirror. It is fetched once however many clients ask for it, and to its end even if all of them leave. The store paces the
 * download; clients, early or late, of the whole or of a part, read behind it from the file that grows, so that a slow one delays no other.
 */
import {awaitedLater} from '../../core/awaited-later.ts'
import type {ByteSink} from '../../core/byte-sink.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {type Followed, GrowingFile} from '../disk/growing-file.ts'
import type {ReadBlobOptions} from '../store.ts'

export class BlobFill {
  readonly blob: BlobDescriptor
  readonly #file: GrowingFile
  readonly #done: Promise<void>

  /** @param store writes the blob, and tells of the file that it grows in, if there is one. */
  constructor(blob: BlobDescriptor, store: (file: GrowingFile) => Promise<unknown>) {
    this.blob = blob
    const file = new GrowingFile(blob.size)
    this.#file = file
    this.#done = awaitedLater(
      store(file).then(
        () => file.end({}),
        (failure: unknown) => {
          file.end({failure})
          throw failure
        },
      ),
    )
  }

  /** Settles when the blob is in the store. */
  get done(): Promise<void> {
    return this.#done
  }

  /**
   * Gives a client the blob's bytes, or a range of them, as they come. What it lacks from `position` on is in the store, unless there is a `failure`.
   * @throws the reason of the signal.
   */
  async follow(sink: ByteSink, call: ReadBlobOptions = {}): Promise<Followed> {
    return await this.#file.read(sink, call)
  }
}
