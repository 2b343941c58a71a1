/** Slows down who guesses: per account and address, and per address. Somebody else's address keeps working, so nobody locks others out. */

const FREE_FAILURES = 10
/** An address may belong to many people. */
const FREE_FAILURES_OF_ADDRESS = 100
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 15 * 60_000
/** Without a failure for so long all is forgiven. */
const MEMORY_MS = 60 * 60_000
const MAX_ENTRIES = 50_000

export interface Failures {
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly lastAt: number
}

/** Failed logins as several replicas know them, and the next process after this one. */
export interface SharedFailures {
  /** Of these keys; a key that has none is left out. */
  readFailures(keys: readonly string[]): Promise<ReadonlyMap<string, Failures>>
  /** Counts one for each key; what is older than `forgottenBefore` counts no more. */
  addFailure(keys: readonly string[], at: number, forgottenBefore: number): Promise<void>
  clearFailures(key: string): Promise<void>
}

export class Throttle {
  /** Longest without a failure first. */
  readonly #failures = new Map<string, Failures>()
  /** How many attempts are being looked at. */
  readonly #underWay = new Map<string, number>()

  /** Milliseconds until another attempt is let through; 0 for now. */
  delayMs(account: string, address: string, now: number): number {
    const own = this.#delay(pairKey(account, address), FREE_FAILURES, now)
    return Math.max(own, this.#delay(addressKey(address), FREE_FAILURES_OF_ADDRESS, now))
  }

  /** Until what it answers is called, the attempt counts as a failed one: many at once get no further than one after the other. */
  begin(account: string, address: string): () => void {
    const keys = [pairKey(account, address), addressKey(address)]
    for (const key of keys) this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1)
    return () => {
      for (const key of keys) {
        const left = (this.#underWay.get(key) ?? 1) - 1
        if (left === 0) this.#underWay.delete(key)
        else this.#underWay.set(key, left)
      }
    }
  }

  fail(account: string, address: string, now: number): void {
    for (const key of [pairKey(account, address), addressKey(address)]) {
      const known = this.#failures.get(key)
      const count = known === undefined || now - known.lastAt > MEMORY_MS ? 1 : known.count + 1
      this.#failures.delete(key)
      this.#failures.set(key, {count, lastAt: now})
    }
    for (const [oldest, {lastAt}] of this.#failures) {
      if (this.#failures.size <= MAX_ENTRIES && now - lastAt <= MEMORY_MS) break
      this.#failures.delete(oldest)
    }
  }

  succeed(account: string, address: string): void {
    this.#failures.delete(pairKey(account, address))
  }

  #delay(key: string, free: number, now: number): number {
    return delayAfter(this.#failures.get(key), free, now, this.#underWay.get(key) ?? 0)
  }
}

/** What all replicas together know, on top of what one has seen. */
export class SharedThrottle {
  readonly #shared: SharedFailures

  constructor(shared: SharedFailures) {
    this.#shared = shared
  }

  async delayMs(account: string, address: string, now: number): Promise<number> {
    const [own, place] = [pairKey(account, address), addressKey(address)]
    const failures = await this.#shared.readFailures([own, place])
    return Math.max(delayAfter(failures.get(own), FREE_FAILURES, now), delayAfter(failures.get(place), FREE_FAILURES_OF_ADDRESS, now))
  }

  async fail(account: string, address: string, now: number): Promise<void> {
    await this.#shared.addFailure([pairKey(account, address), addressKey(address)], now, now - MEMORY_MS)
  }

  async succeed(account: string, address: string): Promise<void> {
    await this.#shared.clearFailures(pairKey(account, address))
  }
}

/** Milliseconds until another attempt is let through. */
function delayAfter(known: Failures | undefined, free: number, now: number, underWay = 0): number {
  const {count, lastAt} = known === undefined || now - known.lastAt > MEMORY_MS ? {count: 0, lastAt: now} : known
  if (count + underWay < free) return 0
  const delay = count < free ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(30, count - free))
  return Math.max(underWay > 0 ? FIRST_DELAY_MS : 0, lastAt + delay - now)
}

/** Directories take a name in any case: it is one account. */
const pairKey = (account: string, address: string): string => `a ${account.length} ${account.toLowerCase()} ${address}`
const addressKey = (address: string): string => `i ${address}`
