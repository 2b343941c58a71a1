/** What keeps a mirror's images may be unreachable, full, or take nothing for a while: the mirror is then a proxy, as long as its upstream answers. */
import {hasCode} from '../../core/errors.ts'
import {refusesWrites} from '../disk/storage-error.ts'
import {UpstreamRefusedError, UpstreamUnavailableError} from './upstream.ts'

/** A cache that could not be asked is not asked again for so long. */
const PAUSE_MS = 5_000
const FAILURES = [
  'NETWORK',
  'TIMEOUT',
  'TLS',
  'PLAIN_HTTP',
  'REGISTRY_UNAVAILABLE',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  'DENIED',
  'UNSUPPORTED',
  'STORAGE',
] as const

export interface CacheGuardOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Whether somebody else can be asked; without that the cache is all there is. */
  readonly hasAlternative: () => boolean
  readonly onFailure: (error: unknown) => void
}

export class CacheGuard {
  readonly #options: CacheGuardOptions
  #pausedUntilMs = 0

  constructor(options: CacheGuardOptions) {
    this.#options = options
  }

  /** Whether the cache is left alone just now. */
  get isClosed(): boolean {
    const {now, hasAlternative} = this.#options
    return now() < this.#pausedUntilMs && hasAlternative()
  }

  /** Asks the cache; undefined when it cannot be asked, as if it had nothing. */
  async ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    if (this.isClosed) return undefined
    try {
      return await question()
    } catch (error) {
      if (!isCacheFailure(error)) throw error
      this.note(error)
      return undefined
    }
  }

  /** A disk that takes no more still serves what is on it. */
  note(error: unknown): void {
    if (!refusesWrites(error)) this.#pausedUntilMs = this.#options.now() + PAUSE_MS
    this.#options.onFailure(error)
  }
}

export function isCacheFailure(error: unknown): boolean {
  if (error instanceof UpstreamUnavailableError || error instanceof UpstreamRefusedError) return false
  return hasCode(error, ...FAILURES)
}
