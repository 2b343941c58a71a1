/** One registry as a client sees it: base URL, who asks, redirects and pace. Everything the remote store does goes through `send`. */
import {parseChallenges} from '../../auth/challenge.ts'
import {mergeScopes, repositoryScope, type Scope} from '../../auth/scope.ts'
import {AdaptiveLimit} from '../../core/concurrency.ts'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {type Clock, SYSTEM_CLOCK} from '../../core/retry.ts'
import type {HttpClient, HttpHeaders, HttpRequest, HttpResponse} from '../../http/client.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import {type Access, Authenticator} from './authenticator.ts'
import type {CredentialLookup, RegistryEndpoint} from './endpoint.ts'
import {DEFAULT_RATE_LIMIT_WAIT_MS, PacedClient} from './paced-client.ts'
import {parseRateLimit, type RateLimit} from './rate-limit.ts'
import {MAX_ERROR_BODY_BYTES, registryError} from './registry-error.ts'
import {assertTrusted, isLoopbackHost, isSameOrigin, type Referral} from './trust.ts'

/** Tokens asked for because the registry refused the one before: the first may have been old, and a fresh one may not have reached every replica of the registry yet. */
const MAX_RENEWALS = 2
/** Redirects followed for one request. */
const MAX_REDIRECTS = 5
const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308]
/** Blobs at once: where to begin, and where growing ends. */
const INITIAL_BLOB_CONCURRENCY = 6
const MAX_BLOB_CONCURRENCY = 16
/** Registries known to answer 429 to bursts: they begin with one. */
const RATE_LIMITING_REGISTRIES: readonly string[] = ['docker.io', 'ghcr.io', 'quay.io', 'public.ecr.aws', 'mcr.microsoft.com']

export interface SessionOptions {
  readonly endpoint: RegistryEndpoint
  /** Must know the endpoint's TLS settings for the registry's own origin, and for no other. */
  readonly http: HttpClient
  readonly credentials?: CredentialLookup | undefined
  /** How long one request may wait for a registry that answers 429, in milliseconds. */
  readonly rateLimitWaitMs?: number | undefined
  readonly clock?: Clock | undefined
  /** Whether a request is repeated after a server was silent for too long; it is unless said. */
  readonly retriesTimeouts?: boolean | undefined
  /** Returns whether a token endpoint is of a collector of ours: what it says of a refusal is then shown. */
  readonly isOwnCollector?: ((realm: URL) => Promise<boolean>) | undefined
  /** Told, in one sentence, what went wrong beside the transfer: a new identity token that could not be kept. */
  readonly warn?: ((message: string) => void) | undefined
}

export interface RegistryRequest {
  readonly method: HttpRequest['method']
  /** A path below the base URL, or a URL that the registry gave and that was checked by `trusted`. */
  readonly target: string | URL
  readonly access: Access
  /** `verb "object"` for errors, as in `read blob "sha256:…"`. */
  readonly action: string
  readonly headers?: HttpHeaders
  readonly body?: HttpRequest['body']
  readonly sinkFor?: HttpRequest['sinkFor']
  readonly signal?: AbortSignal | undefined
  readonly maxBodyBytes?: number
  readonly attempts?: number
  /** `refuse`: a redirect is the answer. What another place says proves nothing about the one that was asked. */
  readonly redirects?: 'follow' | 'refuse'
}

/** An answer and the URL that gave it, after redirects. */
export interface RegistryResponse extends HttpResponse {
  readonly url: URL
  /** Whether the request that it answers held what proves who asks. */
  readonly isAuthorized: boolean
}

export class RegistrySession {
  readonly endpoint: RegistryEndpoint
  readonly clock: Clock
  readonly limit: AdaptiveLimit
  readonly #client: PacedClient
  readonly #authenticator: Authenticator
  #base: Promise<URL> | undefined
  #rateLimit: RateLimit | undefined

  constructor(options: SessionOptions) {
    const {
      endpoint,
      http,
      credentials,
      rateLimitWaitMs = DEFAULT_RATE_LIMIT_WAIT_MS,
      clock = SYSTEM_CLOCK,
      warn,
      retriesTimeouts,
      isOwnCollector,
    } = options
    this.endpoint = endpoint
    this.clock = clock
    const initial = RATE_LIMITING_REGISTRIES.includes(endpoint.registry) ? 1 : INITIAL_BLOB_CONCURRENCY
    this.limit = new AdaptiveLimit({initial, max: MAX_BLOB_CONCURRENCY})
    this.#client = new PacedClient({http, clock, rateLimitWaitMs, limit: this.limit, retriesTimeouts})
    this.#authenticator = new Authenticator({endpoint, client: this.#client, clock, credentials, isOwnCollector, warn})
  }

  /** What the registry last said about its quota; a new object each time. */
  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit
  }

  /**
   * Sends a request with what authenticates it, answers one challenge, and follows redirects of GET and HEAD.
   * Every status but 401, 403 and 429 is an ordinary answer; server errors are repeated first.
   * @throws {HoldfastError} UNAUTHENTICATED, DENIED, RATE_LIMITED, UNTRUSTED_HOST, or the connection's own error.
   */
  async send(request: RegistryRequest): Promise<RegistryResponse> {
    const base = await this.#baseUrl(request.signal)
    const url = typeof request.target === 'string' ? new URL(request.target, base) : request.target
    const ours = isSameOrigin(url, base)
    let authorization = ours ? await this.#authenticator.authorization(request.access, request.signal) : undefined
    let answer = await this.#follow(request, url, base, authorization)
    for (let renewals = 0; answer.status === 401 && isSameOrigin(answer.url, base) && ours && renewals < MAX_RENEWALS; renewals++) {
      // Another token would have no more rights.
      if (renewals > 0 && saysScopeIsMissing(answer)) break
      const next = await this.#authenticator.answer(answer, authorization, base, request.access, request.signal)
      if (next === undefined) break
      authorization = next
      answer = await this.#follow(request, url, base, authorization)
    }
    if (answer.status !== 401 && answer.status !== 403) return answer
    // Our credentials did not go there, so that none of them is refused.
    if (!isSameOrigin(answer.url, base)) throw this.refusal(request.action, answer)
    throw await this.#authenticator.refusal(request.action, answer, request.access)
  }

  /** Makes the error for an answer that is not what was asked for; it names the host that gave it where that is not the registry. */
  refusal(action: string, response: RegistryResponse): HoldfastError {
    const {registry, apiHost} = this.endpoint
    const {host} = response.url
    const isOurs = host === new URL(`${response.url.protocol}//${apiHost ?? registry}`).host
    return registryError(registry, action, response, isOurs ? undefined : {kind: 'blob store', host})
  }

  /**
   * A URL out of the registry's answer, checked.
   * @throws {HoldfastError} UNTRUSTED_HOST
   */
  trusted(text: string, from: URL, referral: Referral): URL {
    if (!URL.canParse(text, from.href))
      throw new HoldfastError('UNTRUSTED_HOST', `cannot follow ${referral} of registry "${this.endpoint.registry}": it is not a URL`)
    const url = new URL(text, from)
    url.hash = ''
    assertTrusted(url, from, this.endpoint, referral)
    return url
  }

  async #follow(request: RegistryRequest, first: URL, base: URL, authorization: string | undefined): Promise<RegistryResponse> {
    let url = first
    let carried = authorization
    for (let hops = 0; ; hops++) {
      const {method, headers, body, sinkFor, signal, attempts, maxBodyBytes = MAX_ERROR_BODY_BYTES} = request
      const response = await this.#client.request({
        method,
        url,
        headers: {...headers, ...(carried === undefined ? {} : {authorization: carried})},
        maxBodyBytes,
        isContent: method !== 'HEAD',
        ...(body === undefined ? {} : {body}),
        ...(sinkFor === undefined ? {} : {sinkFor}),
        ...(signal === undefined ? {} : {signal}),
        ...(attempts === undefined ? {} : {attempts}),
      })
      if (isSameOrigin(url, base)) this.#rateLimit = parseRateLimit(response.headers) ?? this.#rateLimit
      const location = response.headers.location
      const isFollowed = request.redirects !== 'refuse' && (method === 'GET' || method === 'HEAD')
      if (!isFollowed || !REDIRECT_STATUSES.includes(response.status) || location === undefined)
        return {...response, url, isAuthorized: carried !== undefined}
      if (hops >= MAX_REDIRECTS)
        throw new HoldfastError('NETWORK', `cannot ${request.action}: more than ${MAX_REDIRECTS} redirects`, {
          hints: [`holdfast registry check ${this.endpoint.registry}`],
          details: {registry: this.endpoint.registry, isMalformed: true},
        })
      const next = this.trusted(location, url, 'redirect')
      // Trust is judged from the registry, not from the host that redirects: a hop must not widen what the next one may do.
      if (!isSameOrigin(url, base)) assertTrusted(next, base, this.endpoint, 'redirect')
      if (!isSameOrigin(next, url)) carried = undefined
      url = next
    }
  }

  #baseUrl(signal: AbortSignal | undefined): Promise<URL> {
    if (this.#base !== undefined) return this.#base
    const found = this.#findBaseUrl(signal)
    this.#base = found
    found.catch(() => {
      this.#base = undefined
    })
    return found
  }

  /** Docker's rule: a loopback registry is asked over https first, and over plain http when it speaks no TLS: it says so, or breaks off. */
  async #findBaseUrl(signal: AbortSignal | undefined): Promise<URL> {
    const {plainHttp, apiHost, registry} = this.endpoint
    const host = apiHost ?? registry
    const plain = new URL(`http://${host}/`)
    const secure = new URL(`https://${host}/`)
    if (plainHttp === 'always') return plain
    if (plainHttp === 'never' || !isLoopbackHost(secure.hostname)) return secure
    try {
      await this.#client.request({
        method: 'GET',
        url: new URL('v2/', secure),
        maxBodyBytes: MAX_ERROR_BODY_BYTES,
        ...(signal === undefined ? {} : {signal}),
      })
      return secure
    } catch (error) {
      if (hasCode(error, 'PLAIN_HTTP')) return plain
      if (hasCode(error, 'NETWORK') && error.details.code !== 'ECONNREFUSED' && (await this.#answersPlainly(plain, signal))) return plain
      throw error
    }
  }

  /** Some servers close the connection on a TLS hello instead of answering that they speak HTTP. */
  async #answersPlainly(plain: URL, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#client.request({
        method: 'GET',
        url: new URL('v2/', plain),
        maxBodyBytes: MAX_ERROR_BODY_BYTES,
        attempts: 1,
        ...(signal === undefined ? {} : {signal}),
      })
      return true
    } catch (error) {
      if (hasCode(error, 'INTERRUPTED')) throw error
      return false
    }
  }
}

/** RFC 6750 §3.1. */
function saysScopeIsMissing({headers}: HttpResponse): boolean {
  return parseChallenges(headers['www-authenticate'] ?? '').some(({parameters}) => parameters.error === 'insufficient_scope')
}

/** Reading from a repository. */
export function pullAccess(repository: RepositoryName): Access {
  return {repository, scopes: [repositoryScope(repository, 'pull')]}
}

/** Writing to a repository, and reading from the one a blob is mounted from. */
export function pushAccess(repository: RepositoryName, mountFrom?: RepositoryName): Access {
  const from: readonly Scope[] = mountFrom === undefined ? [] : [repositoryScope(mountFrom, 'pull')]
  return {repository, scopes: mergeScopes([repositoryScope(repository, 'pull', 'push')], from)}
}

/** Deleting in a repository. */
export function deleteAccess(repository: RepositoryName): Access {
  return {repository, scopes: [repositoryScope(repository, 'delete', 'pull')]}
}
