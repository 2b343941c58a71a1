/**
 * Identity tokens of other issuers (OpenID Connect Core §2): verified with the keys that the issuer publishes, by algorithms that are listed; nothing that a token says
 * of its key is followed. Why a token is refused is for the operator alone: it would tell an attacker what to change.
 */
import type {JWK, JWTPayload, JWTVerifyOptions} from 'jose'
import {excerpt} from '../../core/redaction.ts'
import type {Secret} from '../../core/secret.ts'
import {type ForeignPerson, type IdentityProvider, personOf} from './identity-provider.ts'
import {ALGORITHMS, createIssuerKeys, type FetchJson} from './issuer-keys.ts'
import type {Mismatch} from './mismatch.ts'
import {mismatchOf, type TrustRule} from './trust-rule.ts'

const CLOCK_LEEWAY_SECONDS = 60
const MAX_TOKEN_CHARACTERS = 16 * 1024
const MAX_SEEN_CHARACTERS = 100
const MAX_REASON_CHARACTERS = 1_000

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

/** `reason`: which claim was expected to be what, and what was seen. Never the token. */
type Refused = {readonly kind: 'refused'; readonly reason: string}

export interface Federation {
  readonly providers: readonly IdentityProvider[]
  /**
   * Returns the account or person that a token stands for, by the first rule or provider that it fits.
   * @throws {HoldfastError} REGISTRY_UNAVAILABLE when the issuer's keys cannot be had.
   */
  identify(token: Secret): Promise<ForeignIdentity | Refused>
}

type Claims = Readonly<Record<string, unknown>>

/** What a token must be to stand for somebody. */
interface Candidate {
  readonly title: string
  readonly issuer: string
  readonly audience: string
  readonly identityOf: (claims: Claims) => ForeignIdentity | Mismatch
}

export function createFederation({rules, providers, fetchJson, now}: FederationOptions): Federation {
  const known: readonly Candidate[] = [
    ...rules.map(
      (rule): Candidate => ({
        title: `rule "${rule.name}"`,
        issuer: rule.issuer,
        audience: rule.audience,
        identityOf: (claims) => mismatchOf(rule, claims) ?? {kind: 'account', name: rule.account},
      }),
    ),
    ...providers.map((provider): Candidate => {
      const {issuer, clientId: audience, name: source} = provider
      const identityOf = (claims: Claims): ForeignIdentity | Mismatch => {
        const person = personOf(provider, claims)
        return 'kind' in person ? person : {kind: 'person', source, person}
      }
      return {title: `provider "${source}"`, issuer, audience, identityOf}
    }),
  ]
  const issuerKeys = createIssuerKeys(fetchJson, now)

  return {
    providers,
    async identify(token) {
      const text = token.reveal()
      const {decodeJwt, decodeProtectedHeader} = await import('jose')
      if (text.length > MAX_TOKEN_CHARACTERS) return refused(`it has more than ${MAX_TOKEN_CHARACTERS} characters`)
      let issuer: unknown
      let header: Claims
      try {
        header = decodeProtectedHeader(text)
        issuer = decodeJwt(text).iss
      } catch {
        return refused('it is not a JSON Web Token')
      }
      // Keys are asked for of trusted issuers only.
      const candidates = known.filter((candidate) => candidate.issuer === issuer)
      if (typeof issuer !== 'string' || candidates.length === 0) {
        return refused(describe({claim: 'iss', expected: 'an issuer of a rule or provider', seen: issuer}))
      }
      const {alg, kid} = header
      if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) {
        return refused(describe({claim: 'alg', expected: `one of ${ALGORITHMS.join(', ')}`, seen: alg}))
      }
      const hint = {alg, kid: typeof kid === 'string' ? kid : undefined}
      const keys = await issuerKeys.find(issuer, hint)
      const key = (await signingKey(text, keys, alg)) ?? (await signingKey(text, await issuerKeys.find(issuer, hint, true), alg))
      if (key === undefined) return refused(describe({claim: 'signature', expected: 'by a key that the issuer publishes', seen: hint}))
      const reasons: string[] = []
      for (const {title, audience, identityOf} of candidates) {
        const found = await checkClaims(text, key, alg, {issuer, audience, at: now()}, identityOf)
        if (found.kind !== 'mismatch') return found
        reasons.push(`${title}: ${describe(found)}`)
      }
      return refused(reasons.join('; '))
    },
  }
}

/** Returns the key whose signature the token has; keys that cannot be used are passed over. */
async function signingKey(text: string, keys: readonly JWK[], alg: string): Promise<JWK | undefined> {
  const {compactVerify, importJWK} = await import('jose')
  for (const key of keys) {
    try {
      await compactVerify(text, await importJWK(key, alg), {algorithms: [alg]})
      return key
    } catch {
      // Malformed, too short, or another one.
    }
  }
  return undefined
}

interface ClaimChecks extends Required<Pick<JWTVerifyOptions, 'issuer'>> {
  readonly audience: string
  readonly at: Date
}

async function checkClaims(
  text: string,
  key: JWK,
  alg: string,
  {issuer, audience, at}: ClaimChecks,
  identityOf: Candidate['identityOf'],
): Promise<ForeignIdentity | Mismatch> {
  const {errors, importJWK, jwtVerify} = await import('jose')
  try {
    const {payload, protectedHeader} = await jwtVerify(text, await importJWK(key, alg), {
      algorithms: [alg],
      issuer,
      audience,
      clockTolerance: CLOCK_LEEWAY_SECONDS,
      currentDate: at,
      requiredClaims: ['exp', 'iat', 'sub'],
    })
    // An access token of the same issuer is for something else, and says so (RFC 9068 §2.1).
    const {typ} = protectedHeader
    if (typ !== undefined && typ.toUpperCase() !== 'JWT') return {kind: 'mismatch', claim: 'typ', expected: 'JWT', seen: typ}
    return issuedInFuture(payload, at) ?? identityOf(payload)
  } catch (error) {
    if (!(error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)) {
      return {kind: 'mismatch', claim: 'format', expected: 'a JSON Web Token', seen: error instanceof Error ? error.name : 'none'}
    }
    const {claim, payload} = error
    const expected: Readonly<Record<string, string>> = {
      aud: audience,
      exp: `after ${seconds(at)}`,
      nbf: `before ${seconds(at)}`,
    }
    return {kind: 'mismatch', claim, expected: expected[claim] ?? 'to be there', seen: payload[claim]}
  }
}

function issuedInFuture({iat}: JWTPayload, at: Date): Mismatch | undefined {
  const isPast = iat !== undefined && iat <= seconds(at) + CLOCK_LEEWAY_SECONDS
  return isPast ? undefined : {kind: 'mismatch', claim: 'iat', expected: `before ${seconds(at)}`, seen: iat}
}

/** NumericDate (RFC 7519 §2). */
function seconds(at: Date): number {
  return Math.floor(at.getTime() / 1000)
}

function describe({claim, expected, seen}: Omit<Mismatch, 'kind'>): string {
  const text = seen === undefined ? 'nothing' : excerpt(JSON.stringify(seen) ?? 'nothing', MAX_SEEN_CHARACTERS)
  return `${claim}: expected ${expected}, seen ${text}`
}

function refused(reason: string): Refused {
  return {kind: 'refused', reason: excerpt(reason, MAX_REASON_CHARACTERS)}
}
