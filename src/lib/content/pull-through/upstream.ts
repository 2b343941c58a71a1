/**
 * Where a mirror gets what it lacks: asked as little as possible, and left alone while it is down or asks to slow down; clients then see what the mirror has.
 *
 * The failure of one object never counts. What stops all requests is a connection that cannot be made, or failures in three repositories with no answer in between. A 429 to
 * a manifest stops manifests alone, since registries count pulls by those (and by account).
 */
import {LRUCache} from 'lru-cache'
import {Breaker} from '../../core/breaker.ts'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {MAX_RETRY_AFTER_MS} from '../../core/retry.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {RateLimit} from '../remote/rate-limit.ts'
import type {RepositoryLister, SourceStore} from '../store.ts'
import {upstreamReason} from './upstream-reason.ts'

/** An upstream that cannot be reached is not asked again for so long. */
const DOWN_PAUSE_MS = 10_000
/** An upstream that asks to slow down and does not say for how long. */
const RATE_LIMIT_PAUSE_MS = 30_000
/** However long an upstream wants to be left alone, one request finds out after so long whether it still does. */
const MAX_PAUSE_MS = 60_000
/** Failures in so many repositories, with no answer in between, are not those of one object. */
const FAILING_REPOSITORIES = 3
/** A failure counts for so long. */
const FAILURE_LIFE_MS = 60_000
const MAX_REMEMBERED = 10_000
/** What clients are told about a failure that names no time, in seconds. */
const RETRY_SECONDS = 5
/** Nothing is fetched that no client waits for when less than this part of a quota is left. */
const QUOTA_RESERVE = 0.2

/** What a mirror asks an upstream for. */
export type UpstreamStore = SourceStore & Partial<RepositoryLister> & {readonly rateLimit?: RateLimit | undefined}

export interface UpstreamOptions {
  /** As people know it: `docker.io`. */
  readonly name: string
  readonly store: UpstreamStore
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onPause?: ((reason: HoldfastError, untilMs: number) => void) | undefined
}

/** The upstream cannot be asked, or not for this; what is cached is served without it. */
export class UpstreamUnavailableError extends HoldfastError {
  override readonly name = 'UpstreamUnavailableError'
  readonly retryAfterSeconds: number
  readonly isRateLimited: boolean

  constructor(upstream: string, what: string, cause: HoldfastError, retryAfterSeconds: number) {
    super('REGISTRY_UNAVAILABLE', `cannot get "${what}": it is not cached, and the upstream "${upstream}" ${upstreamReason(cause)}`, {
      cause,
    })
    this.retryAfterSeconds = retryAfterSeconds
    this.isRateLimited = cause.code === 'RATE_LIMITED'
  }
}

/** The upstream does not let this mirror have something; what is cached is served. It keeps the code of its cause, UNAUTHENTICATED or DENIED. */
export class UpstreamRefusedError extends HoldfastError {
  override readonly name = 'UpstreamRefusedError'

  constructor(upstream: string, what: string, cause: HoldfastError) {
    super(cause.code, `cannot get "${what}": the upstream "${upstream}" refuses this mirror: ${cause.message}`, {
      details: cause.details,
      cause,
    })
  }
}

/** Of `manifest`, registries count each request as a pull. */
type QuestionKind = 'manifest' | 'head' | 'blob' | 'list'

export interface Question {
  readonly kind: QuestionKind
  readonly repository: RepositoryName
  /** `:TAG`, `@DIGEST`, or nothing for the repository itself. */
  readonly what: string
}

/** Called by a question that gets an answer long before its end. */
export type Answered = () => void

export class Upstream {
  readonly name: string
  readonly #options: UpstreamOptions
  readonly #all: Breaker<HoldfastError>
  readonly #manifests: Breaker<HoldfastError>
  /** Of objects that the upstream wants to be asked for later. */
  readonly #objects = new LRUCache<string, Breaker<HoldfastError>>({max: MAX_REMEMBERED})
  /** Repositories with failures since the last answer, and when. */
  readonly #failing = new Map<RepositoryName, number>()
  #rateLimit: RateLimit | undefined

  constructor(options: UpstreamOptions) {
    this.name = options.name
    this.#options = options
    this.#all = new Breaker(options.now)
    this.#manifests = new Breaker(options.now)
  }

  /** Whether it is left alone just now, whatever is asked for. */
  get isPaused(): boolean {
    return this.#all.isOpen
  }

  /** Whether it is left alone, or is asked for no manifests since it asks to slow down. */
  get isRestricted(): boolean {
    return this.isPaused || this.#manifests.isOpen
  }

  /** Whether it may be asked for what no client waits for. */
  get hasSpareQuota(): boolean {
    const {rateLimit} = this.#options.store
    return !this.#manifests.isOpen && (rateLimit === undefined || rateLimit.remaining >= rateLimit.limit * QUOTA_RESERVE)
  }

  /**
   * Asks it for something of a repository; once more if it failed or gave an invalid answer, because such faults are mostly short. Blobs are asked for again below.
   * @throws {UpstreamUnavailableError} at once while it is left alone, and when it does not answer now.
   */
  async ask<Answer>(question: Question, ask: (store: UpstreamStore, answered: Answered) => Promise<Answer>): Promise<Answer> {
    try {
      return await this.#askOnce(question, ask)
    } catch (error) {
      if (!(error instanceof UpstreamUnavailableError) || question.kind === 'blob') throw error
      // What cannot be reached was tried again already, and a time that was named is waited for.
      if (hasCode(error.cause, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP', 'RATE_LIMITED') || retryAfterOf(error.cause) !== undefined)
        throw error
      return await this.#askOnce(question, ask)
    }
  }

  async #askOnce<Answer>(question: Question, ask: (store: UpstreamStore, answered: Answered) => Promise<Answer>): Promise<Answer> {
    const object = `${question.repository}${question.what}`
    const ofObject = this.#objects.get(object)
    const breakers = [this.#all, ...(question.kind === 'manifest' ? [this.#manifests] : []), ...(ofObject === undefined ? [] : [ofObject])]
    const open = breakers.find(({isOpen}) => isOpen)
    if (open?.reason !== undefined) throw this.#unavailable(object, open.reason, open.retryMs)
    for (const breaker of breakers) breaker.noteCall()
    const answered = (): void => {
      this.#failing.clear()
      for (const breaker of breakers) breaker.close()
    }
    try {
      const answer = await ask(this.#options.store, answered)
      answered()
      return answer
    } catch (error) {
      if (!(error instanceof HoldfastError) || hasCode(error, 'INTERRUPTED', 'STORAGE')) throw error
      if (!isFailure(error)) {
        answered()
        throw this.#notGiven(object, error)
      }
      this.#failed(question, object, error)
      throw this.#unavailable(object, error, retryAfterOf(error))
    } finally {
      this.#readRateLimit()
    }
  }

  /** The error for an answer that is invalid or too late. */
  refuse({repository, what}: Question, cause: HoldfastError): UpstreamUnavailableError {
    return this.#unavailable(`${repository}${what}`, cause, undefined)
  }

  #failed({kind, repository}: Question, object: string, error: HoldfastError): void {
    const retryMs = retryAfterOf(error)
    const pauseOf = (ms: number) => ({pauseMs: Math.min(ms, MAX_PAUSE_MS), retryMs: ms})
    if (error.code === 'RATE_LIMITED') {
      const pause = pauseOf(retryMs ?? RATE_LIMIT_PAUSE_MS)
      if (kind === 'manifest') this.#pause(this.#manifests, error, pause)
      else this.#breakerOf(object).open(error, pause)
      return
    }
    if (retryMs !== undefined) this.#breakerOf(object).open(error, pauseOf(retryMs))
    const now = this.#options.now()
    this.#failing.set(repository, now)
    for (const [one, atMs] of this.#failing) if (now - atMs > FAILURE_LIFE_MS) this.#failing.delete(one)
    // Blobs may come from another host, whose failure does not prove that the upstream is down.
    if ((kind !== 'blob' && isUnreachable(error)) || this.#failing.size >= FAILING_REPOSITORIES)
      this.#pause(this.#all, error, pauseOf(retryMs ?? DOWN_PAUSE_MS))
  }

  #pause(breaker: Breaker<HoldfastError>, reason: HoldfastError, pause: {readonly pauseMs: number; readonly retryMs?: number}): void {
    breaker.open(reason, pause)
    this.#options.onPause?.(reason, this.#options.now() + pause.pauseMs)
  }

  #breakerOf(object: string): Breaker<HoldfastError> {
    const known = this.#objects.get(object)
    if (known !== undefined) return known
    const created = new Breaker<HoldfastError>(this.#options.now)
    this.#objects.set(object, created)
    return created
  }

  /** A quota that is there again ends the pause at once. */
  #readRateLimit(): void {
    const {rateLimit} = this.#options.store
    if (rateLimit === this.#rateLimit) return
    this.#rateLimit = rateLimit
    if (rateLimit !== undefined && rateLimit.remaining > 0) this.#manifests.close()
  }

  /** The error for an answer that says no, or is wrong. */
  #notGiven(object: string, error: HoldfastError): HoldfastError {
    if (hasCode(error, 'UNAUTHENTICATED', 'DENIED')) return new UpstreamRefusedError(this.name, object, error)
    return isUnknown(error) ? error : this.#unavailable(object, error, undefined)
  }

  #unavailable(object: string, reason: HoldfastError, retryMs: number | undefined): UpstreamUnavailableError {
    const seconds = retryMs === undefined ? RETRY_SECONDS : Math.max(1, Math.ceil(retryMs / 1000))
    return new UpstreamUnavailableError(this.name, object, reason, seconds)
  }
}

/** It did not answer, or with a failure of its own. */
function isFailure(error: HoldfastError): boolean {
  return hasCode(error, 'NETWORK', 'TIMEOUT', 'TLS', 'PLAIN_HTTP', 'REGISTRY_UNAVAILABLE', 'RATE_LIMITED')
}

function isUnknown(error: HoldfastError): boolean {
  return hasCode(error, 'MANIFEST_NOT_FOUND', 'BLOB_NOT_FOUND', 'REPOSITORY_NOT_FOUND')
}

/** No request reached it. */
function isUnreachable({code, details}: HoldfastError): boolean {
  if (code === 'TLS' || code === 'PLAIN_HTTP') return true
  return (code === 'NETWORK' || code === 'TIMEOUT') && details.requestSent === false
}

function retryAfterOf(error: unknown): number | undefined {
  const retryAfterMs = error instanceof HoldfastError ? error.details.retryAfterMs : undefined
  return typeof retryAfterMs === 'number' ? Math.min(MAX_RETRY_AFTER_MS, retryAfterMs) : undefined
}
