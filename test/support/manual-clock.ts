/** A clock that stands still until a test turns it. */
import {interrupted} from '../../src/lib/core/errors.ts'
import type {Clock} from '../../src/lib/core/retry.ts'

interface Sleeper {
  readonly wakesAtMs: number
  readonly wake: () => void
}

export class ManualClock implements Clock {
  /** What `random` answers. */
  chance = 0.5
  #nowMs: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs: number) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  random(): number {
    return this.chance
  }

  /** Lets time pass in the midst of something: nobody wakes. */
  pass(ms: number): void {
    this.#nowMs += ms
  }

  /** Turns the clock, wakes who sleeps until then, one after the other and each at its time, and lets them work until they wait again. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const next = [...this.#sleepers].sort((one, other) => one.wakesAtMs - other.wakesAtMs)[0]
      if (next === undefined || next.wakesAtMs > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next.wakesAtMs)
      this.#sleepers.delete(next)
      next.wake()
      await settle()
    }
    this.#nowMs = endMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(interrupted())
      const sleeper = {wakesAtMs: this.#nowMs + ms, wake: resolve}
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(interrupted())
      })
    })
  }
}

/** What waits for promises only has gone as far as it can. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
