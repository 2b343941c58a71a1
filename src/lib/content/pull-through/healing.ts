/** Fetches again what was damaged and taken out of use, and asks less and less often while the upstream cannot give it. */
import type {Damage} from './cache.ts'

const WAIT_MS = 30_000
const MAX_WAIT_MS = 60 * 60_000

export interface HealingOptions {
  /** Fetches it; returns whether there was an answer, be it that the upstream does not have it either. */
  readonly fetch: (damage: Damage) => Promise<boolean>
  readonly onFailure: (error: unknown) => void
  /** How long to wait after the first attempt, in milliseconds. */
  readonly waitMs?: number | undefined
}

export class Healing {
  readonly #options: HealingOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #isClosed = false

  constructor(options: HealingOptions) {
    this.#options = options
  }

  heal(damage: Damage): void {
    this.#attempt(damage, this.#options.waitMs ?? WAIT_MS)
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  #attempt(damage: Damage, waitMs: number): void {
    const {fetch, onFailure} = this.#options
    fetch(damage).then((isAnswered) => {
      if (isAnswered || this.#isClosed) return
      const key = `${damage.repository}@${damage.digest}`
      clearTimeout(this.#timers.get(key))
      const again = (): void => {
        this.#timers.delete(key)
        this.#attempt(damage, Math.min(2 * waitMs, MAX_WAIT_MS))
      }
      this.#timers.set(key, setTimeout(again, waitMs).unref())
    }, onFailure)
  }
}
