/** Work that several callers wait for, done once. */
import {interrupted} from './errors.ts'

/** A caller that stops waiting does not stop the others; the work is stopped when the last one has left. */
export class SharedWork<T> {
  readonly result: Promise<T>
  readonly #stop = new AbortController()
  #waiting = 0

  /** Starts the work at once. */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.result = work(this.#stop.signal)
    this.result.catch(() => {})
  }

  /** No caller waited for it any more. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** @throws {HoldfastError} INTERRUPTED when this caller's signal fires first; else what the work throws. */
  wait(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(interrupted())
        this.#left()
      }
      if (signal?.aborted === true) return leave()
      signal?.addEventListener('abort', leave, {once: true})
      const done = (): void => signal?.removeEventListener('abort', leave)
      this.result.then(resolve, reject).finally(done)
    })
  }

  #left(): void {
    this.#waiting--
    if (this.#waiting === 0) this.#stop.abort(interrupted())
  }
}
