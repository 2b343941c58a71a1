/**
 * One blob on its way from the upstream into the mirror, and to whoever asked for it meanwhile. It is fetched once however many ask, and to its end though all of them leave;
 * a client that is slower than the mirror gets the rest from the mirror.
 */
import {awaitedLater} from '../../core/awaited-later.ts'
import type {ByteSink} from '../../core/byte-sink.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {BlobSource} from '../store.ts'

interface Follower {
  readonly sink: ByteSink
  /** Bytes that it has been given. */
  position: number
  isKeepingUp: boolean
  /** Slices that it has not given back. */
  held: number
  /** Told when it has given back all of them. */
  onFree: () => void
}

export class BlobFill {
  readonly blob: BlobDescriptor
  readonly #followers = new Set<Follower>()
  readonly #done: Promise<void>

  /** @param store writes the blob, asking `source` for its bytes. */
  constructor(blob: BlobDescriptor, read: BlobSource, store: (source: BlobSource) => Promise<unknown>) {
    this.blob = blob
    this.#done = awaitedLater(store((sink, start, signal) => read(this.#tee(sink, start), start, signal)).then(() => {}))
  }

  /** Settles when the blob is in the store. */
  get done(): Promise<void> {
    return this.#done
  }

  /**
   * Gives a client the blob's bytes from the first one while they come; answers from which byte on it has to read the store, when that has the blob, or else why it has not.
   * Who has all of them waits for no disk, and who leaves, by the signal, for nothing.
   */
  async follow(sink: ByteSink, signal?: AbortSignal): Promise<{readonly position: number; readonly failure?: unknown}> {
    const given = Promise.withResolvers<object>()
    const follower: Follower = {sink, position: 0, isKeepingUp: true, held: 0, onFree: () => {}}
    follower.onFree = () => {
      if (follower.position === this.blob.size) given.resolve({})
    }
    this.#followers.add(follower)
    const stored = this.#done.then(
      () => ({}),
      (failure: unknown) => ({failure}),
    )
    const leave = (): void => {
      this.#followers.delete(follower)
      given.resolve({})
    }
    signal?.addEventListener('abort', leave, {once: true})
    if (signal?.aborted) leave()
    const outcome = await Promise.race([stored, given.promise])
    signal?.removeEventListener('abort', leave)
    this.#followers.delete(follower)
    // Whoever has said that it is full is given nothing before it has given back everything.
    if (follower.held > 0) {
      const {promise, resolve} = Promise.withResolvers<void>()
      follower.onFree = resolve
      await promise
    }
    return {position: follower.position, ...outcome}
  }

  /** Hands each slice to the store, and to every client that is just there; a slice goes back when all have given it back. */
  #tee(store: ByteSink, start: number): ByteSink {
    let offset = start
    return {
      write: (chunk, release) => {
        const at = offset
        offset += chunk.length
        let users = 1
        const giveBack = (): void => {
          users--
          if (users === 0) release()
        }
        for (const follower of this.#followers) {
          // After a broken download was resumed some of it comes again; whoever came late has missed some of it.
          const from = follower.position - at
          if (!follower.isKeepingUp || from < 0 || from >= chunk.length) continue
          users++
          follower.held++
          const part = from === 0 ? chunk : chunk.subarray(from)
          follower.position += part.length
          follower.isKeepingUp = follower.sink.write(part, () => {
            follower.held--
            giveBack()
            if (follower.held === 0) follower.onFree()
          })
        }
        return store.write(chunk, giveBack)
      },
    }
  }
}
