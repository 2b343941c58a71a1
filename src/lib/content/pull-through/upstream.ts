/** Where a mirror gets what it lacks: asked as little as possible, and left alone while it is down or asks to slow down; clients then see what the mirror has. */
import {HoldfastError, hasCode} from '../../core/errors.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {RepositoryLister, SourceStore} from '../store.ts'
import {upstreamReason} from './upstream-reason.ts'

/** An upstream that did not answer is not asked again for so long. */
const DOWN_PAUSE_MS = 10_000
/** An upstream that asks to slow down and does not say for how long. */
const RATE_LIMIT_PAUSE_MS = 30_000

/** What a mirror asks an upstream for. */
export type UpstreamStore = SourceStore & Partial<RepositoryLister>

export interface UpstreamOptions {
  /** As people know it: `docker.io`. */
  readonly name: string
  readonly store: UpstreamStore
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onPause?: ((reason: HoldfastError, untilMs: number) => void) | undefined
}

/** The upstream cannot be asked; whatever is cached is served all the same. */
export class UpstreamUnavailableError extends HoldfastError {
  override readonly name = 'UpstreamUnavailableError'
  readonly retryAfterSeconds: number
  readonly isRateLimited: boolean

  constructor(upstream: string, what: string, cause: HoldfastError, retryAfterSeconds: number) {
    const isRateLimited = cause.code === 'RATE_LIMITED'
    super('REGISTRY_UNAVAILABLE', `cannot get "${what}": it is not cached, and the upstream "${upstream}" ${upstreamReason(cause)}`, {
      cause,
    })
    this.retryAfterSeconds = retryAfterSeconds
    this.isRateLimited = isRateLimited
  }
}

interface AskOptions {
  /** Where there is an answer already: how long to wait for a better one. */
  readonly patienceMs?: number | undefined
}

export class Upstream {
  readonly name: string
  readonly #options: UpstreamOptions
  #pausedUntilMs = 0
  #reason: HoldfastError | undefined

  constructor(options: UpstreamOptions) {
    this.name = options.name
    this.#options = options
  }

  /** Whether it is left alone just now. */
  get isPaused(): boolean {
    return this.#options.now() < this.#pausedUntilMs
  }

  /**
   * Asks it for something of a repository.
   * @throws {UpstreamUnavailableError} at once while it is left alone, and when it does not answer now.
   */
  async ask<Answer>(
    what: string,
    repository: RepositoryName,
    question: (store: UpstreamStore) => Promise<Answer>,
    {patienceMs}: AskOptions = {},
  ): Promise<Answer> {
    const object = `${repository}${what}`
    if (this.isPaused && this.#reason !== undefined) throw this.#unavailable(object, this.#reason)
    try {
      const answer = question(this.#options.store)
      return await (patienceMs === undefined ? answer : withPatience(answer, patienceMs))
    } catch (error) {
      if (!hasCode(error, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP', 'REGISTRY_UNAVAILABLE', 'RATE_LIMITED')) throw error
      this.#pause(error)
      throw this.#unavailable(object, error)
    }
  }

  #pause(reason: HoldfastError): void {
    const {retryAfterMs} = reason.details
    const askedMs = typeof retryAfterMs === 'number' ? retryAfterMs : reason.code === 'RATE_LIMITED' ? RATE_LIMIT_PAUSE_MS : DOWN_PAUSE_MS
    this.#pausedUntilMs = this.#options.now() + askedMs
    this.#reason = reason
    this.#options.onPause?.(reason, this.#pausedUntilMs)
  }

  #unavailable(object: string, reason: HoldfastError): UpstreamUnavailableError {
    const seconds = Math.max(1, Math.ceil((this.#pausedUntilMs - this.#options.now()) / 1000))
    return new UpstreamUnavailableError(this.name, object, reason, seconds)
  }
}

/** An upstream that takes the question and never answers is down as well. */
async function withPatience<Answer>(answer: Promise<Answer>, patienceMs: number): Promise<Answer> {
  const {promise: lost, reject} = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new HoldfastError('TIMEOUT', `no answer in ${patienceMs / 1000} s`)), patienceMs)
  // It goes on, and nobody waits for it.
  answer.catch(() => {})
  try {
    return await Promise.race([answer, lost])
  } finally {
    clearTimeout(timer)
  }
}
