/**
 * Requests at the pace that each host allows: a 429 holds back every request to that host for at least what `Retry-After` says, and what is safe to repeat is
 * repeated after a server error or a broken connection.
 */
import type {AdaptiveLimit} from '../../core/concurrency.ts'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {backOffMs, type Clock, parseRetryAfter} from '../../core/retry.ts'
import type {HttpClient, HttpRequest, HttpResponse} from '../../http/client.ts'
import {readSpecError} from './registry-error.ts'

/** Tries of a request that is safe to repeat. */
const MAX_ATTEMPTS = 5
/** How long one request may wait for a host that answers 429, unless the user says otherwise. */
export const DEFAULT_RATE_LIMIT_WAIT_MS = 5 * 60_000
/** First wait after a 429 that names no time. */
const RATE_LIMIT_BACK_OFF = {baseMs: 1000, maxMs: 60_000}
/** Added to what the host asked for, so that waiting requests do not come back all at once. */
const RATE_LIMIT_JITTER = 0.1
const MIN_JITTER_MS = 50

export interface PacedClientOptions {
  readonly http: HttpClient
  readonly clock: Clock
  readonly rateLimitWaitMs: number
  readonly limit: AdaptiveLimit
}

export interface PacedRequest extends HttpRequest {
  /** Tries after server errors and broken connections; 1 when the caller resumes by itself. A 429 is waited for in any case. */
  readonly attempts?: number
}

export class PacedClient {
  readonly #options: PacedClientOptions
  /** By host: when the next request may be sent. */
  readonly #notBefore = new Map<string, number>()

  constructor(options: PacedClientOptions) {
    this.#options = options
  }

  /**
   * Sends a request; every status but 429 is an answer.
   * @throws {HoldfastError} RATE_LIMITED with `retryAfterMs` when the wait would exceed the budget; NETWORK, TIMEOUT, TLS, PLAIN_HTTP, INTERRUPTED.
   */
  async request(request: PacedRequest): Promise<HttpResponse> {
    const {http, clock, limit} = this.#options
    const attempts = request.attempts ?? MAX_ATTEMPTS
    const host = request.url.host
    let waitedMs = 0
    let refusals = 0
    for (let attempt = 1; ; ) {
      waitedMs += await this.#waitForTurn(host, request.signal)
      let response: HttpResponse
      try {
        response = await http.request(request)
      } catch (error) {
        if (attempt >= attempts || !hasCode(error, 'NETWORK', 'TIMEOUT')) throw error
        await clock.sleep(backOffMs(attempt++, clock), request.signal)
        continue
      }
      if (response.status === 429) {
        limit.refused()
        refusals++
        const asked = parseRetryAfter(response.headers['retry-after'], clock.now())
        const pauseMs = asked === undefined ? backOffMs(refusals, clock, RATE_LIMIT_BACK_OFF) : withJitter(asked, clock)
        if (waitedMs + pauseMs > this.#options.rateLimitWaitMs) throw rateLimited(request, response, pauseMs, waitedMs)
        this.#notBefore.set(host, Math.max(this.#notBefore.get(host) ?? 0, clock.now() + pauseMs))
        continue
      }
      if (response.status >= 500 && response.status !== 501 && attempt < attempts) {
        const asked = parseRetryAfter(response.headers['retry-after'], clock.now()) ?? 0
        const pauseMs = Math.max(asked, backOffMs(attempt++, clock))
        if (waitedMs + pauseMs > this.#options.rateLimitWaitMs) return response
        waitedMs += pauseMs
        await clock.sleep(pauseMs, request.signal)
        continue
      }
      if (response.status < 400) limit.succeeded()
      return response
    }
  }

  async #waitForTurn(host: string, signal: AbortSignal | undefined): Promise<number> {
    const {clock} = this.#options
    let waitedMs = 0
    for (;;) {
      const waitMs = (this.#notBefore.get(host) ?? 0) - clock.now()
      if (waitMs <= 0) return waitedMs
      await clock.sleep(waitMs, signal)
      waitedMs += waitMs
    }
  }
}

function withJitter(askedMs: number, clock: Clock): number {
  return Math.round(askedMs + Math.max(MIN_JITTER_MS, askedMs * RATE_LIMIT_JITTER) * clock.random())
}

function rateLimited(request: HttpRequest, response: HttpResponse, pauseMs: number, waitedMs: number): HoldfastError {
  const {message} = readSpecError(response)
  const seconds = Math.ceil(pauseMs / 1000)
  return new HoldfastError(
    'RATE_LIMITED',
    `cannot ask "${request.url.host}": it wants a pause of ${seconds} s and ${Math.round(waitedMs / 1000)} s were waited already${message === undefined ? '' : ` (${message})`}`,
    {
      hints: [`sleep ${seconds}  # then run the same command again; a login often raises the limit: holdfast login ${request.url.host}`],
      details: {host: request.url.host, retryAfterMs: pauseMs, httpStatus: 429},
    },
  )
}
