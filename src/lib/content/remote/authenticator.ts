/**
 * Proves to one registry who asks: Basic, or a bearer token from the registry's token endpoint. A token is asked for once however many requests want it, kept until
 * shortly before it expires, and replaced when the registry stops accepting it in the middle of a transfer.
 */
import {basicAuthorization} from '../../auth/basic.ts'
import {type Challenge, parseChallenges} from '../../auth/challenge.ts'
import {saysLocked} from '../../auth/refusal.ts'
import {formatScope, mergeScopes, parseScopes, type Scope} from '../../auth/scope.ts'
import {refreshTokenForm, tokenUrl} from '../../auth/token-request.ts'
import {decodeTokenResponse, type ExplainedRefusal, MAX_TOKEN_RESPONSE_BYTES, type TokenResponse} from '../../auth/token-response.ts'
import {HoldfastError} from '../../core/errors.ts'
import {excerpt} from '../../core/redaction.ts'
import type {Clock} from '../../core/retry.ts'
import {Secret} from '../../core/secret.ts'
import {SharedWork} from '../../core/shared-work.ts'
import type {HttpResponse} from '../../http/client.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {CredentialLookup, RegistryCredential, RegistryEndpoint} from './endpoint.ts'
import {IdentityTokens} from './identity-tokens.ts'
import {givenUp, type PacedClient, type PacedRequest} from './paced-client.ts'
import {loginHints, registryError} from './registry-error.ts'
import {trustedRealm} from './trust.ts'

/** A token is replaced when less than this is left of it, or less than a third of its life. */
const RENEW_BEFORE_EXPIRY_MS = 15_000

export interface AuthenticatorOptions {
  readonly endpoint: RegistryEndpoint
  readonly client: PacedClient
  readonly clock: Clock
  readonly credentials?: CredentialLookup | undefined
  /**
   * Returns whether a token endpoint is of a collector that the user has chosen, or that was trusted as the one of this registry: only then is shown what it says of a
   * refusal, and which commands it recommends.
   */
  readonly isOwnCollector?: ((realm: URL) => Promise<boolean>) | undefined
  /** Told, in one sentence, what went wrong beside the transfer. */
  readonly warn?: ((message: string) => void) | undefined
}

/** What a request is for: the scopes its token needs, and the repository whose credential is used. */
export interface Access {
  readonly repository?: RepositoryName
  readonly scopes: readonly Scope[]
}

interface CachedToken {
  readonly token: Secret
  readonly renewAtMs: number
  /** Why it does not allow all that was asked for, as far as the endpoint says. */
  readonly refusals: readonly ExplainedRefusal[]
}

type Scheme =
  | {readonly kind: 'basic'}
  /** Tokens are wanted, and whoever we ask for is handed one in: no realm is asked, so none is learnt. */
  | {readonly kind: 'given'}
  | {
      readonly kind: 'bearer'
      readonly realm: URL
      /** The registry's URL that named the realm. */
      readonly base: URL
      readonly service: string | undefined
      readonly extraScopes: Map<string, readonly Scope[]>
    }

export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #credentials = new Map<string, Promise<RegistryCredential | undefined>>()
  readonly #tokens = new Map<string, SharedWork<CachedToken>>()
  readonly #identityTokens: IdentityTokens
  #scheme: Scheme | undefined

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#identityTokens = new IdentityTokens(options.endpoint.registry, options.warn)
  }

  /** The `Authorization` to send with a request, as far as the registry has told how; undefined before its first challenge. */
  async authorization(access: Access, signal?: AbortSignal): Promise<string | undefined> {
    const scheme = this.#scheme
    if (scheme === undefined) return undefined
    const credential = await this.#credential(access)
    if (credential?.kind === 'registry-token') return `Bearer ${credential.token}`
    if (scheme.kind !== 'bearer')
      return scheme.kind === 'basic' && credential?.kind === 'basic'
        ? basicAuthorization(credential.username, credential.password)
        : undefined
    const key = tokenKey(scheme, wanted(scheme, access), credential)
    const cached = await this.#tokens.get(key)?.wait(signal)
    if (cached !== undefined && this.#options.clock.now() < cached.renewAtMs) return `Bearer ${cached.token.reveal()}`
    if (cached !== undefined) this.#tokens.delete(key)
    return `Bearer ${(await this.#fetchOnce(key, scheme, access, credential).wait(signal)).token.reveal()}`
  }

  /**
   * Learns from a 401 what the registry wants, and drops the token it refused.
   * Answers the `Authorization` for a second try, undefined when there is nothing better to send than what was refused.
   * @throws {HoldfastError} UNTRUSTED_HOST for a realm that is not acceptable; UNAUTHENTICATED when the token endpoint refuses the credential.
   */
  async answer(
    challenge: HttpResponse,
    refused: string | undefined,
    base: URL,
    access: Access,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const challenges = parseChallenges(challenge.headers['www-authenticate'] ?? '')
    const bearer = challenges.find((one) => one.scheme === 'bearer' && isUsable(one))
    if (bearer !== undefined && (await this.#credential(access))?.kind === 'registry-token') this.#scheme ??= {kind: 'given'}
    else if (bearer !== undefined) this.#learnBearer(bearer, base, access)
    else if (challenges.some(({scheme}) => scheme === 'basic')) this.#scheme = {kind: 'basic'}
    else return undefined
    if (refused !== undefined) await this.#forget(refused, access)
    const offered = await this.authorization(access, signal)
    return offered === refused ? undefined : offered
  }

  /** The error for a registry that still answers 401 or 403: whether credentials are missing, refused, or not enough. */
  async refusal(action: string, response: HttpResponse, access: Access): Promise<HoldfastError> {
    const {registry} = this.#options.endpoint
    const credential = await this.#credential(access)
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '')
    const challenge = challenges[0]
    const known = registryError(registry, action, response)
    const scopes = access.scopes.map(formatScope).join(' ')
    const isTokenRefused = credential?.kind === 'registry-token' && challenge?.parameters.error !== 'insufficient_scope'
    if (response.status === 401 && !challenges.some(isUsable)) {
      const schemes = challenges.map(({scheme}) => excerpt(scheme))
      const instead = schemes.length === 0 ? '' : `, but for ${schemes.join(' and ')}`
      return new HoldfastError('UNAUTHENTICATED', `${known.message}; it asks for neither Basic nor Bearer authentication${instead}`, {
        hints: [`holdfast registry check ${registry}`],
        details: known.details,
        cause: known,
      })
    }
    if (credential === undefined)
      return new HoldfastError('UNAUTHENTICATED', `${known.message}; no credentials for "${registry}" were found`, {
        hints: loginHints(registry),
        details: known.details,
        cause: known,
      })
    if (
      response.status === 403 ||
      challenge?.parameters.error === 'insufficient_scope' ||
      (this.#scheme?.kind === 'bearer' && !isTokenRefused)
    ) {
      const [explained, ...others] = await this.#refusals(access, credential)
      const what = scopes === '' ? '' : ` (${scopes})`
      if (explained === undefined) {
        return new HoldfastError('DENIED', `${known.message}; the account in use may not do this${what}`, {
          hints: loginHints(registry),
          details: {...known.details, scopes},
          cause: known,
        })
      }
      const all = [explained, ...others]
      const reasons = [...new Set(all.map(({rule, explanation}) => `by rule ${rule}, ${explanation}`))]
      return new HoldfastError('DENIED', `${known.message}; the collector refuses this${what}: ${reasons.join('; ')}`, {
        hints: [...new Set(all.flatMap(({remedies}) => remedies))],
        details: {...known.details, scopes, rule: explained.rule, ...(explained.below === undefined ? {} : {below: explained.below})},
        cause: known,
      })
    }
    return new HoldfastError('UNAUTHENTICATED', `${known.message}; the credentials found for "${registry}" are refused`, {
      hints: loginHints(registry),
      details: known.details,
      cause: known,
    })
  }

  /** What a collector of ours said of what it did not grant, when it gave the token that was refused. */
  async #refusals(access: Access, credential: RegistryCredential): Promise<readonly ExplainedRefusal[]> {
    const scheme = this.#scheme
    if (scheme?.kind !== 'bearer' || (await this.#options.isOwnCollector?.(scheme.realm)) !== true) return []
    const token = await this.#tokens.get(tokenKey(scheme, wanted(scheme, access), credential))?.result.catch(() => undefined)
    return token?.refusals ?? []
  }

  #learnBearer({parameters}: Challenge, base: URL, access: Access): void {
    const realm = trustedRealm(parameters.realm, base, this.#options.endpoint, 'nothing')
    const known = this.#scheme?.kind === 'bearer' && this.#scheme.realm.href === realm.href ? this.#scheme : undefined
    const scheme = known ?? {kind: 'bearer', realm, base, service: parameters.service, extraScopes: new Map<string, readonly Scope[]>()}
    const asked = parseScopes(parameters.scope ?? '')
    if (asked.length > 0) scheme.extraScopes.set(scopeKey(access.scopes), asked)
    this.#scheme = scheme
  }

  async #forget(refused: string, access: Access): Promise<void> {
    // A token that was handed in expires as well, for example during a long list: its source may have another one.
    const given = await this.#credential(access)
    if (given?.kind === 'registry-token' && `Bearer ${given.token}` === refused) this.#credentials.delete(access.repository ?? '')
    for (const [key, cached] of this.#tokens) {
      const token = await cached.result.catch(() => undefined)
      if (token !== undefined && `Bearer ${token.token.reveal()}` === refused && this.#tokens.get(key) === cached) this.#tokens.delete(key)
    }
  }

  #credential({repository}: Access): Promise<RegistryCredential | undefined> {
    const key = repository ?? ''
    const known = this.#credentials.get(key)
    if (known !== undefined) return known
    const asked = this.#options.credentials?.(this.#options.endpoint.registry, repository) ?? Promise.resolve(undefined)
    this.#credentials.set(key, asked)
    asked.catch(() => this.#credentials.delete(key))
    return asked
  }

  #fetchOnce(
    key: string,
    scheme: Scheme & {kind: 'bearer'},
    access: Access,
    credential: RegistryCredential | undefined,
  ): SharedWork<CachedToken> {
    const running = this.#tokens.get(key)
    if (running?.isStopped === false) return running
    const fetched = new SharedWork((signal) => this.#fetch(scheme, access, credential, signal))
    this.#tokens.set(key, fetched)
    fetched.result.catch(() => {
      if (this.#tokens.get(key) === fetched) this.#tokens.delete(key)
    })
    return fetched
  }

  async #fetch(
    scheme: Scheme & {kind: 'bearer'},
    access: Access,
    credential: RegistryCredential | undefined,
    signal: AbortSignal,
  ): Promise<CachedToken> {
    const {service} = scheme
    const realm = trustedRealm(scheme.realm.href, scheme.base, this.#options.endpoint, credential === undefined ? 'nothing' : 'credentials')
    const query = {service, scopes: wanted(scheme, access)}
    if (credential?.kind === 'identity-token') {
      return cachedToken(
        await this.#identityTokens.exchange(credential, {
          send: (token) =>
            this.#ask(signal, {
              method: 'POST',
              url: realm,
              isSpent: true,
              headers: {'content-type': 'application/x-www-form-urlencoded', accept: 'application/json'},
              body: Buffer.from(new URLSearchParams(refreshTokenForm(token, query)).toString()),
            }),
          findAgain: async () => this.#options.credentials?.(this.#options.endpoint.registry, access.repository),
        }),
      )
    }
    const basic = credential?.kind === 'basic' ? credential : undefined
    const authorization = basic === undefined ? undefined : basicAuthorization(basic.username, basic.password)
    return cachedToken(
      await this.#ask(signal, {
        method: 'GET',
        url: tokenUrl(realm, {...query, account: basic?.username}),
        headers: {accept: 'application/json', ...(authorization === undefined ? {} : {authorization})},
      }),
    )
  }

  /** Sends one request to the token endpoint. Its failures are final: the layers above repeat what they asked for, and not this. */
  async #ask(signal: AbortSignal, request: PacedRequest): Promise<ArrivedToken> {
    const {client, clock, endpoint} = this.#options
    const response = await client.request({...request, maxBodyBytes: MAX_TOKEN_RESPONSE_BYTES, signal})
    const arrivedAtMs = clock.now()
    const action = `get a token for "${endpoint.registry}"`
    const {host} = request.url
    if (response.status !== 200) {
      const known = registryError(endpoint.registry, action, response, {kind: 'token endpoint', host})
      const isLocked = saysLocked({code: known.registryCode ?? '', message: known.registryMessage ?? ''})
      const isRefused = response.status === 401 || response.status === 403 || (response.status === 400 && request.method === 'POST')
      if (response.status < 500 && (isLocked || isRefused)) {
        throw new HoldfastError(isLocked ? 'ACCOUNT_LOCKED' : 'UNAUTHENTICATED', known.message, {
          hints: loginHints(endpoint.registry),
          details: known.details,
          cause: known,
        })
      }
      throw givenUp(known)
    }
    const token = decodeTokenResponse(response.body, arrivedAtMs)
    if (token === undefined)
      throw new HoldfastError('UNAUTHENTICATED', `cannot ${action}: the answer of token endpoint "${host}" holds no token`, {
        hints: [`holdfast registry check ${endpoint.registry}`],
      })
    return {...token, arrivedAtMs}
  }
}

/** A challenge that can be answered: Basic, or Bearer with a realm. */
function isUsable({scheme, parameters}: Challenge): boolean {
  return scheme === 'basic' || (scheme === 'bearer' && parameters.realm !== undefined)
}

/** A token answer, and when it came. */
type ArrivedToken = TokenResponse & {readonly arrivedAtMs: number}

/** What is kept of it: not the refresh token. */
function cachedToken({token, expiresAtMs, arrivedAtMs, refusals = []}: ArrivedToken): CachedToken {
  return {token: new Secret(token), renewAtMs: expiresAtMs - Math.min(RENEW_BEFORE_EXPIRY_MS, (expiresAtMs - arrivedAtMs) / 3), refusals}
}

function wanted({extraScopes}: Scheme & {kind: 'bearer'}, {scopes}: Access): readonly Scope[] {
  return mergeScopes(scopes, extraScopes.get(scopeKey(scopes)) ?? [])
}

function scopeKey(scopes: readonly Scope[]): string {
  return mergeScopes(scopes).map(formatScope).join(' ')
}

/** Credentials differ by repository, so a token is kept for whom it was given to as well; the key stays in memory. */
function tokenKey(
  {realm, service}: Scheme & {kind: 'bearer'},
  scopes: readonly Scope[],
  credential: RegistryCredential | undefined,
): string {
  const who =
    credential === undefined ? '' : credential.kind === 'basic' ? `${credential.username}:${credential.password}` : credential.token
  return JSON.stringify([realm.href, service, scopeKey(scopes), who])
}
