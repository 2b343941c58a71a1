/** A breaker: stops calls to what failed, for a while, and then lets one of them find out whether it is back. */

/** A call that finds out may take so long until another one may; the first goes on. */
const PROBE_MS = 5_000

export interface Pause {
  /** How long no call is made, in milliseconds. */
  readonly pauseMs: number
  /** When callers should come again, in milliseconds from now; the same unless said. */
  readonly retryMs?: number | undefined
}

export class Breaker<Reason> {
  readonly #now: () => number
  #open: {readonly reason: Reason; readonly untilMs: number; readonly retryAtMs: number; probedAtMs: number} | undefined

  /** @param now milliseconds, from any start. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether a call would be refused now. */
  get isOpen(): boolean {
    const open = this.#open
    return open !== undefined && (this.#now() < open.untilMs || this.#now() - open.probedAtMs < PROBE_MS)
  }

  /** Why calls are or were refused; undefined since one has succeeded. */
  get reason(): Reason | undefined {
    return this.#open?.reason
  }

  /** In how many milliseconds callers should come again. */
  get retryMs(): number {
    return Math.max(0, (this.#open?.retryAtMs ?? 0) - this.#now())
  }

  /** Takes note of a call that is made although there was a pause: others are refused until it has found something out, or for a few seconds. */
  noteCall(): void {
    if (this.#open !== undefined) this.#open.probedAtMs = this.#now()
  }

  /** The calls fail. */
  open(reason: Reason, {pauseMs, retryMs = pauseMs}: Pause): void {
    const now = this.#now()
    this.#open = {reason, untilMs: now + pauseMs, retryAtMs: now + retryMs, probedAtMs: Number.NEGATIVE_INFINITY}
  }

  /** A call succeeded. */
  close(): void {
    this.#open = undefined
  }
}
