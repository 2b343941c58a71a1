/**
 * The keys that issuers publish (OpenID Connect Discovery §4, RFC 7517): fetched from the issuer itself, kept for a while, and chosen for a token. A key that is
 * malformed, too weak, of another use or unknown kind is ignored (RFC 7517 §5), so that it does not fail the tokens of others.
 */
import type {JWK} from 'jose'
import {HoldfastError} from '../../core/errors.ts'

const KEYS_LIFE_MS = 10 * 60_000
/** An unknown key may be new; made-up key ids do not make us ask each time. */
const MIN_REFETCH_MS = 30_000
/** An issuer that does not respond is left alone for so long. */
const FAILURE_LIFE_MS = 10_000
const MAX_KEYS = 200
/** Without a key id several may fit; each costs a signature check. */
const MAX_CANDIDATES = 10

/** Gets a JSON document of an issuer, over connections that lead where the issuer may send us. @throws {HoldfastError} when it cannot be had. */
export type FetchJson = (url: string, issuer: string) => Promise<unknown>

/** What a token's header says of its key. */
interface KeyHint {
  readonly alg: string
  readonly kid?: string | undefined
}

interface Known {
  keys?: {readonly list: readonly JWK[]; readonly fetchedAt: number}
  failure?: {readonly error: HoldfastError; readonly at: number}
  running?: Promise<readonly JWK[]>
}

export interface IssuerKeys {
  /**
   * Returns the keys that may have signed a token, those with its key id before those without any. `mayBeNew` asks the issuer again for a token that none of them has
   * signed: its key may be new.
   * @throws {HoldfastError} REGISTRY_UNAVAILABLE with `details.retryAfterSeconds`, whatever is wrong with the issuer; the cause says what.
   */
  find(issuer: string, hint: KeyHint, mayBeNew?: boolean): Promise<readonly JWK[]>
}

export function createIssuerKeys(fetchJson: FetchJson, now: () => Date): IssuerKeys {
  const issuers = new Map<string, Known>()

  const fetchOnce = async (issuer: string, known: Known): Promise<readonly JWK[]> => {
    try {
      const list = await fetchKeys(issuer, (url) => fetchJson(url, issuer))
      known.keys = {list, fetchedAt: now().getTime()}
      delete known.failure
      return list
    } catch (cause) {
      const error = new HoldfastError('REGISTRY_UNAVAILABLE', `cannot get the keys of issuer "${issuer}"`, {
        details: {issuer, retryAfterSeconds: FAILURE_LIFE_MS / 1000},
        cause,
      })
      known.failure = {error, at: now().getTime()}
      throw error
    } finally {
      delete known.running
    }
  }

  const keysOf = async (issuer: string, maxAgeMs: number): Promise<readonly JWK[]> => {
    const known = issuers.get(issuer) ?? {}
    issuers.set(issuer, known)
    const at = now().getTime()
    if (known.keys !== undefined && at - known.keys.fetchedAt < maxAgeMs) return known.keys.list
    if (known.failure !== undefined && at - known.failure.at < FAILURE_LIFE_MS) throw known.failure.error
    known.running ??= fetchOnce(issuer, known)
    return await known.running
  }

  return {
    async find(issuer, hint, mayBeNew = false) {
      return choose(await keysOf(issuer, mayBeNew ? MIN_REFETCH_MS : KEYS_LIFE_MS), hint)
    },
  }
}

/** RFC 7518 §3.1, RFC 8037 §3.1: the type and curve that a key of each algorithm has. */
const KEY_OF: Readonly<Record<string, {readonly kty: string; readonly crv?: string}>> = {
  RS256: {kty: 'RSA'},
  RS384: {kty: 'RSA'},
  RS512: {kty: 'RSA'},
  PS256: {kty: 'RSA'},
  PS384: {kty: 'RSA'},
  PS512: {kty: 'RSA'},
  ES256: {kty: 'EC', crv: 'P-256'},
  ES384: {kty: 'EC', crv: 'P-384'},
  ES512: {kty: 'EC', crv: 'P-521'},
  EdDSA: {kty: 'OKP', crv: 'Ed25519'},
  Ed25519: {kty: 'OKP', crv: 'Ed25519'},
}

/** Signatures by keys of their own: none that a public key could make. */
export const ALGORITHMS: readonly string[] = Object.keys(KEY_OF)

function choose(keys: readonly JWK[], {alg, kid}: KeyHint): readonly JWK[] {
  const wanted = Object.hasOwn(KEY_OF, alg) ? KEY_OF[alg] : undefined
  if (wanted === undefined) return []
  const fitting = keys.filter(
    (key) =>
      key.kty === wanted.kty &&
      (wanted.crv === undefined || key.crv === wanted.crv) &&
      (key.alg === undefined || key.alg === alg) &&
      (key.use === undefined || key.use === 'sig') &&
      (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify'))) &&
      (kid === undefined || key.kid === undefined || key.kid === kid),
  )
  return fitting.toSorted((a, b) => Number(b.kid === kid) - Number(a.kid === kid)).slice(0, MAX_CANDIDATES)
}

async function fetchKeys(issuer: string, fetchJson: (url: string) => Promise<unknown>): Promise<readonly JWK[]> {
  const discovery = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  if (Reflect.get(Object(discovery), 'issuer') !== issuer) throw new Error('its discovery document is that of another issuer')
  const uri: unknown = Reflect.get(Object(discovery), 'jwks_uri')
  if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error('its discovery document names no keys')
  const url = new URL(uri)
  if (url.protocol !== 'https:' && url.origin !== new URL(issuer).origin) throw new Error('its keys are not behind https')
  const keys: unknown = Reflect.get(Object(await fetchJson(uri)), 'keys')
  if (!Array.isArray(keys)) throw new Error('its keys are not a key set')
  return keys.filter(isKey).slice(0, MAX_KEYS)
}

function isKey(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const {kty, kid} = key as {readonly kty?: unknown; readonly kid?: unknown}
  return typeof kty === 'string' && (kid === undefined || typeof kid === 'string')
}
