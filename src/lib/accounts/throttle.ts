/**
 * Slows down guesses. An account is guessed at from one place at a time, so what counts is the account and the place together: other places keep working, and no
 * user locks out another one. Names of no account count for their place as a whole. An account that logged in from a place in the last 30 days has an allowance
 * of its own there, whatever else comes from that place.
 */
import {HoldfastError} from '../core/errors.ts'
import {accountKey, placeKey} from './login-key.ts'

const FREE_FAILURES = 10
/** For an account that logged in from that place lately. */
const FREE_FAILURES_WHERE_PROVEN = 30
/** A place may belong to many people. */
const FREE_FAILURES_OF_UNKNOWN_NAMES = 100
/** Guesses of one place that may be looked at together, without those of accounts that logged in there lately. */
const MAX_AT_ONCE_PER_PLACE = 64
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 15 * 60_000
/** Failures expire after this period. */
const MEMORY_MS = 60 * 60_000
const PROVEN_MS = 30 * 24 * 60 * 60_000
/** A success is written down once in this period. */
const PROVEN_AGAIN_MS = 24 * 60 * 60_000

export interface Failures {
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly lastAt: number
}

/** Logins that failed and succeeded, as all replicas know them, and the next process after this one. Times are milliseconds since the epoch. */
export interface LoginHistory {
  /** Of these keys; a key that has none is omitted. */
  readFailures(keys: readonly string[]): Promise<ReadonlyMap<string, Failures>>
  /** Counts one for each key; failures before `forgottenBefore` no longer count. */
  addFailure(keys: readonly string[], at: number, forgottenBefore: number): Promise<void>
  clearFailures(keys: readonly string[]): Promise<void>
  /** When the key last had a success. */
  readSuccess(key: string): Promise<number | undefined>
  /** Records a success; those before `forgottenBefore` are removed. */
  noteSuccess(key: string, at: number, forgottenBefore: number): Promise<void>
}

/** One attempt to log in. */
export interface LoginAttempt {
  /** As it was typed. */
  readonly account: string
  readonly isKnown: boolean
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** An attempt that may be looked at. */
export interface AdmittedAttempt {
  /** The account logged in from that place lately. */
  readonly isProven: boolean
  succeed(): Promise<void>
  fail(): Promise<void>
  /** To be called when it has been looked at: until then it counts as one that failed, so that many at once get no further than one after the other. */
  end(): void
}

export class Throttle {
  readonly #history: LoginHistory
  /** How many attempts are being looked at, by key. */
  readonly #underWay = new Map<string, number>()

  constructor(history: LoginHistory) {
    this.#history = history
  }

  /** @throws {HoldfastError} RATE_LIMITED with `details.retryAfterSeconds` */
  async admit({account, isKnown, address, at}: LoginAttempt): Promise<AdmittedAttempt> {
    const [name, place] = [accountKey(account), placeKey(address)]
    const pair = `${name.length} ${name} ${place}`
    const provenAt = await this.#history.readSuccess(pair)
    const isProven = provenAt !== undefined && at - provenAt < PROVEN_MS
    const limits = isProven
      ? [{key: `p ${pair}`, free: FREE_FAILURES_WHERE_PROVEN}]
      : [{key: `a ${pair}`, free: FREE_FAILURES}, ...(isKnown ? [] : [{key: `i ${place}`, free: FREE_FAILURES_OF_UNKNOWN_NAMES}])]
    const crowd = isProven ? [] : [{key: `c ${place}`, free: MAX_AT_ONCE_PER_PLACE}]
    const together = limits.map(({key}) => this.#underWay.get(key) ?? 0)
    if ([...limits, ...crowd].some(({key, free}) => (this.#underWay.get(key) ?? 0) >= free)) throw tooMany(FIRST_DELAY_MS)
    const end = this.#begin([...limits, ...crowd].map(({key}) => key))
    try {
      const keys = limits.map(({key}) => key)
      const failures = await this.#history.readFailures(keys)
      const delays = limits.map(({key, free}, index) => delayAfter(failures.get(key), free, at, together[index] ?? 0))
      const delayMs = Math.max(...delays)
      if (delayMs > 0) throw tooMany(delayMs)
      return {
        isProven,
        end,
        fail: () => this.#history.addFailure(keys, at, at - MEMORY_MS),
        succeed: async () => {
          if (failures.size > 0) await this.#history.clearFailures([`a ${pair}`, `p ${pair}`])
          if (provenAt === undefined || at - provenAt > PROVEN_AGAIN_MS) await this.#history.noteSuccess(pair, at, at - PROVEN_MS)
        },
      }
    } catch (error) {
      end()
      throw error
    }
  }

  #begin(keys: readonly string[]): () => void {
    for (const key of keys) this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1)
    return () => {
      for (const key of keys) {
        const left = (this.#underWay.get(key) ?? 1) - 1
        if (left === 0) this.#underWay.delete(key)
        else this.#underWay.set(key, left)
      }
    }
  }
}

/** Milliseconds until another attempt is admitted. */
function delayAfter(known: Failures | undefined, free: number, now: number, underWay: number): number {
  const {count, lastAt} = known === undefined || now - known.lastAt > MEMORY_MS ? {count: 0, lastAt: now} : known
  if (count + underWay < free) return 0
  const delay = count < free ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(30, count - free))
  return Math.max(underWay > 0 ? FIRST_DELAY_MS : 0, lastAt + delay - now)
}

function tooMany(delayMs: number): HoldfastError {
  return new HoldfastError('RATE_LIMITED', 'cannot log in: too many attempts have failed', {
    details: {retryAfterSeconds: Math.ceil(delayMs / 1000)},
  })
}
