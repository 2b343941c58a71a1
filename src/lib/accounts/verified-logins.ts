/** Remembers for a minute which passwords were right: every pull authenticates again, and a hash, or a directory, takes its time. */
import {createHmac, randomBytes} from 'node:crypto'
import type {Secret} from '../core/secret.ts'

const LIFE_MS = 60_000
const MAX_LOGINS = 10_000
const KEY_BYTES = 32

/**
 * Identifies logins. Holds no password: a login is an HMAC under a key that this process alone has, of the name, the password, and what this one was held
 * against. Another hash in the store is another login: what was right for the old one says nothing of it.
 */
export class VerifiedLogins {
  readonly #key = randomBytes(KEY_BYTES)
  /** Milliseconds since the epoch when each ends; oldest first. */
  readonly #ends = new Map<string, number>()

  /** @param hash what is stored of the password; undefined when somebody else knows it. */
  identify(account: string, password: Secret, hash: string | undefined): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([account, hash ?? null, password.reveal()]))
      .digest('base64')
  }

  /** Whether that login was right a moment ago. */
  has(login: string, now: number): boolean {
    const endsAt = this.#ends.get(login)
    return endsAt !== undefined && endsAt > now
  }

  add(login: string, now: number): void {
    this.#ends.delete(login)
    this.#ends.set(login, now + LIFE_MS)
    for (const [oldest, endsAt] of this.#ends) {
      if (this.#ends.size <= MAX_LOGINS && endsAt > now) break
      this.#ends.delete(oldest)
    }
  }
}
