/**
 * Requests at the pace that each host allows: a 429 holds back every request to that host for at least what `Retry-After` says, and what is safe to repeat is
 * repeated after a server error or a broken connection.
 */
import type {AdaptiveLimit} from '../../core/concurrency.ts'
import {formatSeconds} from '../../core/duration.ts'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {backOffMs, type Clock, parseRetryAfter} from '../../core/retry.ts'
import type {HttpClient, HttpRequest, HttpResponse} from '../../http/client.ts'
import {readSpecError} from './registry-error.ts'

/** Tries of a request that is safe to repeat. */
const MAX_ATTEMPTS = 5
/** Tries of what is too slow or stands still: another connection may be faster, and each one takes a whole window of `--min-rate`, or a minute of silence. */
const MAX_SLOW_TRIES = 2
/** How long one request may wait for a host that answers 429, unless the user says otherwise. */
export const DEFAULT_RATE_LIMIT_WAIT_MS = 5 * 60_000
/** First wait after a 429 that names no time. */
const RATE_LIMIT_BACK_OFF = {baseMs: 1000, maxMs: 60_000}
/** Added to what the host asked for, so that several processes do not come back all at once. */
const RATE_LIMIT_JITTER = 0.1
const MIN_JITTER_MS = 50
/** Requests that waited for the same host go on one after the other, this far apart on average. */
const TURN_SPACING_MS = 100
/** A request that came too late (RFC 9110 §15.5.9) or too early (RFC 8470 §5.2) may be sent again as it is. */
const TRANSIENT_CLIENT_ERRORS: readonly number[] = [408, 425]
/** What the server does not implement it will not implement soon, and a full store is full until its operator makes room. */
const LASTING_SERVER_ERRORS: readonly number[] = [501, 505, 507]

export interface PacedClientOptions {
  readonly http: HttpClient
  readonly clock: Clock
  readonly rateLimitWaitMs: number
  readonly limit: AdaptiveLimit
  /** False where a client waits for the answer and another place can be asked: a server that is silent once is not waited for again. */
  readonly retriesTimeouts?: boolean | undefined
}

export interface PacedRequest extends HttpRequest {
  /** Tries after server errors and broken connections; 1 when the caller resumes by itself. A 429 is waited for in any case. */
  readonly attempts?: number
  /**
   * It holds something that is spent by showing it. It is repeated only while no byte of it was sent, or after a 429, and the signal does not stop it once it is on its way,
   * so that its answer is not lost.
   */
  readonly isSpent?: boolean
  /** It moves content: its success lets more of it run at once. */
  readonly isContent?: boolean
}

/** When the next request to a host may be sent. */
interface Pace {
  /** The host asked for no request before. */
  notBeforeMs: number
  /** The first turn that no waiting request has. */
  nextTurnMs: number
  refusals: number
}

/** Tells whether an error is worth another try: not when the layer that met it has tried enough, nor when the server does not speak HTTP as it must. */
export function isWorthRepeating(error: unknown): error is HoldfastError {
  return hasCode(error, 'NETWORK', 'TIMEOUT', 'REGISTRY_UNAVAILABLE') && error.details.gaveUp !== true && error.details.isMalformed !== true
}

/** Counts the failures of one request or transfer, in a row. */
export class FailureCount {
  readonly #max: number
  #failures = 0
  #slow = 0

  constructor(max: number) {
    this.#max = max
  }

  get failures(): number {
    return this.#failures
  }

  /** Counts a failure that is worth another try, with what was thrown; returns whether that one is due. */
  add(error?: HoldfastError): boolean {
    this.#failures++
    if (error?.details.isTooSlow === true || error?.details.isStalled === true) this.#slow++
    return this.#failures < this.#max && this.#slow < MAX_SLOW_TRIES
  }

  /** Progress starts the count again. */
  reset(): void {
    this.#failures = 0
    this.#slow = 0
  }
}

/** The same error, which no layer above repeats any more. */
export function givenUp(error: HoldfastError): HoldfastError {
  return new HoldfastError(error.code, error.message, {hints: error.hints, details: {...error.details, gaveUp: true}, cause: error})
}

/** Tells whether the same request may succeed a little later. */
function isTransient(status: number): boolean {
  return TRANSIENT_CLIENT_ERRORS.includes(status) || (status >= 500 && !LASTING_SERVER_ERRORS.includes(status))
}

export class PacedClient {
  readonly #options: PacedClientOptions
  readonly #paces = new Map<string, Pace>()

  constructor(options: PacedClientOptions) {
    this.#options = options
  }

  /**
   * Sends a request; every status but 429 is an answer.
   * @throws {HoldfastError} RATE_LIMITED with `retryAfterMs` when the wait would exceed the budget; NETWORK, TIMEOUT, TLS, PLAIN_HTTP, INTERRUPTED; `givenUp` unless the
   * caller asked for one attempt.
   */
  async request(request: PacedRequest): Promise<HttpResponse> {
    const {http, clock, limit, retriesTimeouts = true} = this.#options
    const {attempts = MAX_ATTEMPTS, isSpent = false, signal} = request
    const host = request.url.host
    let waitedMs = 0
    let refusals = 0
    const tries = new FailureCount(attempts)
    for (;;) {
      waitedMs += await this.#waitForTurn(host, signal)
      let response: HttpResponse
      try {
        response = await http.request(isSpent ? withoutSignal(request) : request)
      } catch (error) {
        if (!hasCode(error, 'NETWORK', 'TIMEOUT')) throw error
        const isSafe = !isSpent || error.details.requestSent === false
        const isRepeatable = isWorthRepeating(error) && isSafe && (retriesTimeouts || error.code !== 'TIMEOUT')
        if (!isRepeatable || !tries.add(error)) throw attempts === 1 ? error : givenUp(error)
        await clock.sleep(backOffMs(tries.failures, clock), signal)
        continue
      }
      if (response.status === 429) {
        limit.refused()
        refusals++
        const asked = parseRetryAfter(response.headers['retry-after'], clock.now())
        // A host that asks for no time and refuses again is not believed a second time.
        const leastMs = refusals === 1 ? 0 : backOffMs(refusals - 1, clock)
        const pauseMs = asked === undefined ? backOffMs(refusals, clock, RATE_LIMIT_BACK_OFF) : Math.max(leastMs, withJitter(asked, clock))
        if (waitedMs + pauseMs > this.#options.rateLimitWaitMs)
          throw rateLimited(request, response, {pauseMs, waitedMs, nowMs: clock.now()})
        this.#holdBack(host, clock.now() + pauseMs)
        continue
      }
      if (isTransient(response.status) && !isSpent && tries.add()) {
        const asked = parseRetryAfter(response.headers['retry-after'], clock.now()) ?? 0
        const pauseMs = Math.max(asked, backOffMs(tries.failures, clock))
        if (waitedMs + pauseMs > this.#options.rateLimitWaitMs) return response
        waitedMs += pauseMs
        await clock.sleep(pauseMs, signal)
        continue
      }
      if (response.status < 400 && request.isContent === true) limit.succeeded()
      return response
    }
  }

  #holdBack(host: string, untilMs: number): void {
    const pace = this.#paces.get(host)
    const notBeforeMs = Math.max(pace?.notBeforeMs ?? 0, untilMs)
    this.#paces.set(host, {notBeforeMs, nextTurnMs: notBeforeMs, refusals: (pace?.refusals ?? 0) + 1})
  }

  /** Waits until the host may be asked, in a turn of its own: those that waited together would be refused together. Returns how long that took, in milliseconds. */
  async #waitForTurn(host: string, signal: AbortSignal | undefined): Promise<number> {
    const {clock} = this.#options
    const startMs = clock.now()
    for (;;) {
      const pace = this.#paces.get(host)
      const turnMs = Math.max(pace?.notBeforeMs ?? 0, pace?.nextTurnMs ?? 0)
      // One that has not to wait keeps no other one waiting.
      if (pace === undefined || turnMs <= clock.now()) return clock.now() - startMs
      pace.nextTurnMs = turnMs + TURN_SPACING_MS * (0.5 + clock.random())
      const {refusals} = pace
      for (let leftMs = turnMs - clock.now(); leftMs > 0; leftMs = turnMs - clock.now()) await clock.sleep(leftMs, signal)
      // After another refusal the turns are given anew.
      if (this.#paces.get(host)?.refusals === refusals) return clock.now() - startMs
    }
  }
}

function withoutSignal({signal: _, ...request}: PacedRequest): PacedRequest {
  return request
}

function withJitter(askedMs: number, clock: Clock): number {
  return Math.round(askedMs + Math.max(MIN_JITTER_MS, askedMs * RATE_LIMIT_JITTER) * clock.random())
}

interface Waiting {
  /** What would be waited now. */
  readonly pauseMs: number
  readonly waitedMs: number
  readonly nowMs: number
}

function rateLimited(request: HttpRequest, response: HttpResponse, {pauseMs, waitedMs, nowMs}: Waiting): HoldfastError {
  const {message} = readSpecError(response)
  // What the host said, without our jitter and our bound; where it said nothing or too little, what we take for it.
  const askedMs = parseRetryAfter(response.headers['retry-after'], nowMs, Number.POSITIVE_INFINITY) ?? 0
  const seconds = Math.ceil((askedMs > 0 ? askedMs : pauseMs) / 1000)
  return new HoldfastError(
    'RATE_LIMITED',
    `cannot ask "${request.url.host}": it wants a pause of ${formatSeconds(seconds)} and ${formatSeconds(waitedMs / 1000)} were waited already${message === undefined ? '' : ` (${message})`}`,
    {
      hints: [`sleep ${seconds}  # then run the same command again; a login often raises the limit: holdfast login ${request.url.host}`],
      details: {host: request.url.host, retryAfterMs: pauseMs, httpStatus: 429},
    },
  )
}
