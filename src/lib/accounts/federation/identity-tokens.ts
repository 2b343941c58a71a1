/**
 * Identity tokens of other issuers (OpenID Connect Core §2, Discovery §4): verified with the keys that the issuer publishes, by algorithms that are listed here; nothing that a token says of its key is followed.
 */
import type {JSONWebKeySet} from 'jose'
import {HoldfastError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import {type ForeignPerson, type IdentityProvider, personOf} from './identity-provider.ts'
import {matchesRule, type TrustRule} from './trust-rule.ts'

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']
const CLOCK_LEEWAY_SECONDS = 60
const MAX_TOKEN_CHARACTERS = 16 * 1024
const KEYS_LIFE_MS = 10 * 60_000
/** A key that is not known may be new; whoever makes up key ids does not make us ask each time. */
const MIN_REFETCH_MS = 30_000

/** Gets a JSON document. @throws {HoldfastError} when it cannot be had. */
type FetchJson = (url: string) => Promise<unknown>

export interface FederationOptions {
  /** Jobs that are let in. */
  readonly rules: readonly TrustRule[]
  /** Where people log in. */
  readonly providers: readonly IdentityProvider[]
  readonly fetchJson: FetchJson
  readonly now: () => Date
}

/** Whom a token stands for: an account here that a rule names, or a person whom a provider knows. */
type ForeignIdentity =
  | {readonly kind: 'account'; readonly name: string}
  | {readonly kind: 'person'; readonly source: string; readonly person: ForeignPerson}

export interface Federation {
  readonly providers: readonly IdentityProvider[]
  /**
   * Whom a token stands for, by the first rule or provider that it fits; undefined when it fits none, or is not what it says.
   * @throws {HoldfastError} REGISTRY_UNAVAILABLE when the issuer's keys cannot be had.
   */
  identify(token: Secret): Promise<ForeignIdentity | undefined>
}

/** What a token must be to stand for somebody. */
interface Candidate {
  readonly issuer: string
  readonly audience: string
  readonly identityOf: (claims: Readonly<Record<string, unknown>>) => ForeignIdentity | undefined
}

export function createFederation({rules, providers, fetchJson, now}: FederationOptions): Federation {
  const known: readonly Candidate[] = [
    ...rules.map(
      (rule): Candidate => ({
        ...rule,
        identityOf: (claims) => (matchesRule(rule, claims) ? {kind: 'account', name: rule.account} : undefined),
      }),
    ),
    ...providers.map((provider): Candidate => {
      const {issuer, clientId: audience, name: source} = provider
      const identityOf = (claims: Readonly<Record<string, unknown>>): ForeignIdentity | undefined => {
        const person = personOf(provider, claims)
        return person === undefined ? undefined : {kind: 'person', source, person}
      }
      return {issuer, audience, identityOf}
    }),
  ]
  const issuers = new Map<string, {readonly keys: Promise<JSONWebKeySet>; readonly fetchedAt: number}>()

  const keysOf = async (issuer: string, maxAgeMs: number): Promise<JSONWebKeySet> => {
    const known = issuers.get(issuer)
    if (known !== undefined && now().getTime() - known.fetchedAt < maxAgeMs) return await known.keys
    const keys = fetchKeys(issuer, fetchJson)
    issuers.set(issuer, {keys, fetchedAt: now().getTime()})
    keys.catch(() => issuers.delete(issuer))
    return await keys
  }

  return {
    providers,
    async identify(token) {
      const text = token.reveal()
      const {createLocalJWKSet, decodeJwt, errors, jwtVerify} = await import('jose')
      let issuer: string | undefined
      try {
        issuer = text.length > MAX_TOKEN_CHARACTERS ? undefined : decodeJwt(text).iss
      } catch {
        return undefined
      }
      // Only of issuers that somebody trusts are keys asked for.
      const candidates = known.filter((candidate) => candidate.issuer === issuer)
      if (issuer === undefined || candidates.length === 0) return undefined
      for (const maxAgeMs of [KEYS_LIFE_MS, MIN_REFETCH_MS]) {
        const keys = createLocalJWKSet(await keysOf(issuer, maxAgeMs))
        for (const {audience, identityOf} of candidates) {
          try {
            const {payload, protectedHeader} = await jwtVerify(text, keys, {
              algorithms: ALGORITHMS,
              issuer,
              audience,
              clockTolerance: CLOCK_LEEWAY_SECONDS,
              currentDate: now(),
              requiredClaims: ['exp', 'iat', 'sub'],
            })
            const identity = isIdentityToken(protectedHeader.typ) && isFromThePast(payload.iat, now()) ? identityOf(payload) : undefined
            if (identity !== undefined) return identity
          } catch (error) {
            if (!(error instanceof errors.JOSEError)) throw error
            if (error instanceof errors.JWKSNoMatchingKey) break
          }
        }
      }
      return undefined
    },
  }
}

/** An access token of the same issuer is for something else, and says so (RFC 9068 §2.1). */
function isIdentityToken(type: string | undefined): boolean {
  return type === undefined || type.toUpperCase() === 'JWT'
}

function isFromThePast(issuedAt: number | undefined, now: Date): boolean {
  return issuedAt !== undefined && issuedAt <= now.getTime() / 1000 + CLOCK_LEEWAY_SECONDS
}

async function fetchKeys(issuer: string, fetchJson: FetchJson): Promise<JSONWebKeySet> {
  const unusable = (reason: string): HoldfastError =>
    new HoldfastError('REGISTRY_UNAVAILABLE', `cannot get the keys of issuer "${issuer}": ${reason}`, {details: {issuer}})
  const discovery = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  if (Reflect.get(Object(discovery), 'issuer') !== issuer) throw unusable('its discovery document is another issuer’s')
  const uri: unknown = Reflect.get(Object(discovery), 'jwks_uri')
  if (typeof uri !== 'string' || !URL.canParse(uri)) throw unusable('it names no keys')
  if (new URL(uri).protocol !== 'https:' && new URL(uri).origin !== new URL(issuer).origin) throw unusable('its keys are not behind https')
  const jwks = await fetchJson(uri)
  const keys: unknown = Reflect.get(Object(jwks), 'keys')
  if (!Array.isArray(keys)) throw unusable('its keys are no key set')
  return {keys}
}
