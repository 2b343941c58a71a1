/** Remembers for a minute which passwords were right: every pull authenticates again, and a hash, or a directory, takes its time. */
import {createHmac, randomBytes} from 'node:crypto'
import type {Secret} from '../core/secret.ts'

const LIFE_MS = 60_000
const MAX_LOGINS = 10_000
const KEY_BYTES = 32

/** Holds no password: entries are keyed by an HMAC under a key that this process alone has. */
export class VerifiedLogins {
  readonly #key = randomBytes(KEY_BYTES)
  /** Oldest first. */
  readonly #entries = new Map<string, {readonly account: string; readonly endsAt: number}>()

  /** Whether that password was right for the account a moment ago. */
  has(account: string, password: Secret, now: number): boolean {
    const entry = this.#entries.get(this.#keyOf(account, password))
    return entry !== undefined && entry.endsAt > now
  }

  add(account: string, password: Secret, now: number): void {
    const key = this.#keyOf(account, password)
    this.#entries.delete(key)
    this.#entries.set(key, {account, endsAt: now + LIFE_MS})
    for (const [oldest, {endsAt}] of this.#entries) {
      if (this.#entries.size <= MAX_LOGINS && endsAt > now) break
      this.#entries.delete(oldest)
    }
  }

  /** After a change of the password. */
  forget(account: string): void {
    for (const [key, entry] of this.#entries) if (entry.account === account) this.#entries.delete(key)
  }

  #keyOf(account: string, password: Secret): string {
    return createHmac('sha256', this.#key).update(`${account.length}:${account}${password.reveal()}`).digest('base64')
  }
}
