/** Who may go next: a bounded lane whose waiters are served biggest first. */

/** Gives a place back; calling it twice does nothing. */
export type ReleasePlace = () => void

interface Waiter {
  readonly weight: number
  readonly admit: () => void
}

/** A lane with so many places at once. The limit is asked anew at each admission, so it may change while the lane runs. */
export class Lane {
  readonly #limit: () => number
  readonly #waiters: Waiter[] = []
  #taken = 0

  constructor(limit: () => number) {
    this.#limit = limit
  }

  /** Waits for a place; among the waiting the one with the greatest weight goes first, and equals in order of arrival. */
  enter(weight: number): Promise<ReleasePlace> {
    return new Promise((resolve) => {
      const waiter: Waiter = {weight, admit: () => resolve(this.#occupy())}
      let low = 0
      let high = this.#waiters.length
      while (low < high) {
        const middle = (low + high) >> 1
        if ((this.#waiters[middle]?.weight ?? 0) >= weight) low = middle + 1
        else high = middle
      }
      this.#waiters.splice(low, 0, waiter)
      this.#admit()
    })
  }

  /** Runs `work` in a place of the lane. */
  async run<T>(work: () => Promise<T>, weight = 0): Promise<T> {
    const release = await this.enter(weight)
    try {
      return await work()
    } finally {
      release()
    }
  }

  #occupy(): ReleasePlace {
    let released = false
    return () => {
      if (released) return
      released = true
      this.#taken--
      this.#admit()
    }
  }

  #admit(): void {
    while (this.#waiters.length > 0 && this.#taken < Math.max(1, this.#limit())) {
      this.#taken++
      this.#waiters.shift()?.admit()
    }
  }
}
