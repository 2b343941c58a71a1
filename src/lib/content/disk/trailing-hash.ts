/**
 * Hashing a file while it is being written. A thread reads behind the writer, from the page cache, so that no byte is copied between threads and the main thread
 * does nothing but move bytes; and what is hashed is what the file really holds. Small files are hashed where they are, since a message costs more than they do.
 */
import {createHash} from 'node:crypto'
import {Worker} from 'node:worker_threads'
import {openRegularFile} from '../../core/regular-file.ts'
import {type Digest, type DigestAlgorithm, parseDigest} from '../../oci/digest.ts'
import {type HashReply, type HashRequest, hashBehindWriters} from './hash-thread.ts'

/** A file up to this size is hashed on the main thread when it is complete. */
const INLINE_LIMIT_BYTES = 4 * 1024 * 1024
/** How far the writer gets ahead before the thread is told. */
const STRIDE_BYTES = 4 * 1024 * 1024
const READ_BYTES = 1024 * 1024
const THREAD_OLD_SPACE_MIB = 32

/** The hash of one growing file. */
export interface TrailingHash {
  /** Tells that the file is complete up to `position`, in bytes. */
  advance(position: number): void
  /** The digest of the first `sizeBytes` bytes, which must all be written. To be called once. */
  finish(sizeBytes: number): Promise<Digest>
  /** Gives up; harmless after `finish`. */
  abandon(): void
}

interface Waiting {
  readonly resolve: (hex: string) => void
  readonly reject: (error: Error) => void
}

/** One thread, started with the first large file, that hashes all files of a store. It does not keep the process alive unless a digest is awaited. */
export class HashThread {
  #worker: Worker | undefined
  #nextId = 1
  readonly #waiting = new Map<number, Waiting>()

  /** Starts the hash of a file that exists and grows from its end only. */
  follow(path: string, algorithm: DigestAlgorithm): TrailingHash {
    let id: number | undefined
    let thread: Worker | undefined
    let told = 0
    const tell = (upTo: number): number => {
      // A thread that could not start, or died, takes what it had hashed with it: the next one reads the file from its beginning.
      if (id === undefined || thread !== this.#start()) id = this.#open(path, algorithm)
      thread = this.#worker
      told = upTo
      this.#send({type: 'advance', id, upTo})
      return id
    }
    return {
      advance: (position) => {
        if (position > INLINE_LIMIT_BYTES && position - told >= STRIDE_BYTES) tell(position)
      },
      finish: async (sizeBytes) => {
        const hex =
          sizeBytes <= INLINE_LIMIT_BYTES && id === undefined
            ? await hashHere(path, algorithm, sizeBytes)
            : await this.#finish(tell(sizeBytes))
        id = undefined
        return parseDigest(`${algorithm}:${hex}`)
      },
      abandon: () => {
        if (id !== undefined) this.#send({type: 'close', id})
        id = undefined
      },
    }
  }

  /** Ends the thread; digests still awaited are rejected. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#rejectAll(new Error('the hash thread was closed'))
    await worker?.terminate()
  }

  #open(path: string, algorithm: DigestAlgorithm): number {
    const id = this.#nextId
    this.#nextId += 1
    this.#send({type: 'open', id, path, algorithm})
    return id
  }

  async #finish(id: number): Promise<string> {
    const worker = this.#start()
    worker.ref()
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting.set(id, {resolve, reject})
        this.#send({type: 'finish', id})
      })
    } finally {
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) worker.unref()
    }
  }

  #send(request: HashRequest): void {
    this.#start().postMessage(request)
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    // The thread's code travels as text, so that it needs no file of its own beside a bundle.
    const worker = new Worker(`(${hashBehindWriters.toString()})(${READ_BYTES})`, {
      eval: true,
      resourceLimits: {maxOldGenerationSizeMb: THREAD_OLD_SPACE_MIB},
    })
    worker.unref()
    worker.on('message', (reply: HashReply) => {
      const waiting = this.#waiting.get(reply.id)
      if (reply.hex === undefined) waiting?.reject(Object.assign(new Error(reply.message), {code: reply.errno}))
      else waiting?.resolve(reply.hex)
    })
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#worker = undefined
      this.#rejectAll(workerError(error))
    })
    this.#worker = worker
    return worker
  }

  #rejectAll(error: Error): void {
    for (const {reject} of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

async function hashHere(path: string, algorithm: DigestAlgorithm, sizeBytes: number): Promise<string> {
  const hash = createHash(algorithm)
  const file = await openRegularFile(path)
  try {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, sizeBytes))
    for (let position = 0; position < sizeBytes; ) {
      const {bytesRead} = await file.read(buffer, 0, Math.min(buffer.length, sizeBytes - position), position)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
      position += bytesRead
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

/** A thread that cannot start for want of file descriptors fails as opening a file would. */
function workerError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  return /\bEMFILE\b/.test(error.message) ? Object.assign(error, {code: 'EMFILE'}) : error
}
