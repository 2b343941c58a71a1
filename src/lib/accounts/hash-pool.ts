/**
 * Threads of their own for password hashes. Node reads files, resolves names and compresses on four shared threads: hashes there would keep every blob and every
 * probe waiting. A queue that is full refuses at once, since a client that waits longer than it is patient asks again.
 */
import {Worker} from 'node:worker_threads'
import {HoldfastError} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import {deriveHashes, type HashAnswer, type HashJob} from './argon2-thread.ts'

const THREAD_OLD_SPACE_MIB = 16
const RETRY_AFTER_SECONDS = 5

export interface HashPoolOptions {
  /** Each takes a core, and 19 MiB while it works. */
  readonly maxThreads: number
  /** Hashes that wait for a thread. */
  readonly maxWaiting: number
  /** What a thread runs, as text, so that it needs no file of its own beside a bundle; `deriveHashes` when absent. */
  readonly program?: string | undefined
  /** What the program finds as its `workerData`. */
  readonly workerData?: unknown
}

/** Threads start with the first hashes, and keep no process alive unless a hash is awaited. */
export class HashPool {
  readonly #options: HashPoolOptions
  readonly #lane: Lane
  readonly #idle: Worker[] = []
  #present = 0

  constructor(options: HashPoolOptions) {
    this.#options = options
    this.#lane = new Lane(() => options.maxThreads)
  }

  /**
   * Derives a hash. Among those that wait, the one with the greatest weight is next.
   * @throws {HoldfastError} OVERLOADED with `details.retryAfterSeconds` when the queue is full; an `Error` for parameters that argon2 does not take.
   */
  async derive(job: HashJob, weight = 0): Promise<Buffer> {
    if (this.#present >= this.#options.maxThreads + this.#options.maxWaiting) {
      throw new HoldfastError('OVERLOADED', 'cannot check the password: too many passwords are being checked', {
        details: {retryAfterSeconds: RETRY_AFTER_SECONDS},
      })
    }
    this.#present++
    try {
      return await this.#lane.run(() => this.#deriveOn(this.#idle.pop() ?? this.#start(), job), weight)
    } finally {
      this.#present--
    }
  }

  /** Ends the threads that do nothing. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()))
  }

  #start(): Worker {
    const {program = `(${deriveHashes.toString()})()`, workerData} = this.#options
    const worker = new Worker(program, {eval: true, workerData, resourceLimits: {maxOldGenerationSizeMb: THREAD_OLD_SPACE_MIB}})
    worker.on('error', () => {})
    worker.on('exit', () => {
      const place = this.#idle.indexOf(worker)
      if (place >= 0) this.#idle.splice(place, 1)
    })
    return worker
  }

  async #deriveOn(worker: Worker, job: HashJob): Promise<Buffer> {
    const {promise, resolve, reject} = Promise.withResolvers<HashAnswer>()
    const ended = (code: number): void => reject(new Error(`the hash thread ended with ${code}`))
    worker.on('message', resolve).on('error', reject).on('exit', ended)
    worker.ref()
    try {
      worker.postMessage(job)
      const {hash, message} = await promise
      worker.unref()
      this.#idle.push(worker)
      if (hash === undefined) throw new Error(`cannot derive a hash: ${message}`)
      return Buffer.from(hash)
    } finally {
      worker.off('message', resolve).off('error', reject).off('exit', ended)
    }
  }
}
