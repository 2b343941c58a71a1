/** A limit that finds out by itself how much a server takes: additive increase, multiplicative decrease. */

/** Refusals that arrive within one epoch answer the same burst, and count once. */
const DECREASE_EPOCH_MS = 100

export interface AdaptiveLimitOptions {
  readonly initial: number
  readonly max: number
  /** Milliseconds, from any start. */
  readonly now?: () => number
}

/** How much may run at once: one more for each window of successes as large as the limit, half (at least 1) when the server asks to slow down. */
export class AdaptiveLimit {
  readonly #max: number
  readonly #now: () => number
  #current: number
  #successes = 0
  #decreasedAtMs = Number.NEGATIVE_INFINITY

  constructor({initial, max, now = () => performance.now()}: AdaptiveLimitOptions) {
    this.#current = initial
    this.#max = max
    this.#now = now
  }

  get current(): number {
    return this.#current
  }

  succeeded(): void {
    this.#successes++
    if (this.#successes < this.#current) return
    this.#successes = 0
    this.#current = Math.min(this.#max, this.#current + 1)
  }

  refused(): void {
    this.#successes = 0
    const now = this.#now()
    if (now - this.#decreasedAtMs < DECREASE_EPOCH_MS) return
    this.#decreasedAtMs = now
    this.#current = Math.max(1, Math.floor(this.#current / 2))
  }
}
