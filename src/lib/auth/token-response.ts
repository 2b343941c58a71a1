/** What a token endpoint answers (distribution's token authentication and OAuth 2 specifications). */
import {rememberSecrets} from '../core/known-secrets.ts'
import {excerpt} from '../core/redaction.ts'

/** A token larger than this is no token; also the cap to read such an answer with. */
export const MAX_TOKEN_RESPONSE_BYTES = 64 * 1024
/** How long a token lives when the answer does not say. */
const DEFAULT_TOKEN_LIFETIME_SECONDS = 60

export interface TokenResponse {
  readonly token: string
  /** Milliseconds since the epoch, by our clock: a server's `issued_at` can only shorten a token's life, never lengthen it. */
  readonly expiresAtMs: number
  readonly refreshToken?: string
  /** Why a collector did not grant all that was asked for. */
  readonly refusals?: readonly ExplainedRefusal[]
}

/** What a collector says of an action that it refuses: its own words, shortened, and to be shown only where the collector is trusted. */
export interface ExplainedRefusal {
  /** `repository:NAME:ACTION` */
  readonly scope: string
  readonly rule: string
  /** One sentence. */
  readonly explanation: string
  /** Commands of ours. */
  readonly remedies: readonly string[]
  /** The repository below which the account may do the same. */
  readonly below?: string
}

const MAX_REFUSALS = 20
const MAX_REMEDIES = 5
const RULE = /^[A-Z][0-9]{1,2}$/
/** One line of printable characters. */
const REMEDY = /^holdfast [\x20-\x7e]{1,300}$/
const BELOW = /^[a-z0-9][a-z0-9._/-]{0,200}$/

const BEARER_TOKEN = /^[\x21-\x7e]+$/

/** Tells whether a text can be a token: printable ASCII without spaces, so that it fits into a header or a form as it is. */
export function isTokenText(text: string): boolean {
  return BEARER_TOKEN.test(text)
}

/**
 * Decodes the body of a token answer that arrived at `nowMs`. Answers undefined when it is too large, not JSON, or has no token that fits into a header.
 */
export function decodeTokenResponse(body: Uint8Array, nowMs: number): TokenResponse | undefined {
  if (body.length > MAX_TOKEN_RESPONSE_BYTES) return undefined
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
  return decodeTokenFields(json, nowMs)
}

/** Decodes an answer that is JSON already and arrived at `nowMs`. Answers undefined when it has no token that fits into a header. */
export function decodeTokenFields(json: unknown, nowMs: number): TokenResponse | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const fields: Readonly<Record<string, unknown>> = {...json}
  const token = [fields.token, fields.access_token].find((value) => typeof value === 'string' && value !== '')
  if (typeof token !== 'string' || !isTokenText(token)) return undefined
  rememberSecrets(token, ...(typeof fields.refresh_token === 'string' ? [fields.refresh_token] : []))
  const {expires_in: expiresIn, issued_at: issuedAt, refresh_token: refreshToken} = fields
  const seconds = typeof expiresIn === 'number' && Number.isFinite(expiresIn) && expiresIn > 0 ? expiresIn : DEFAULT_TOKEN_LIFETIME_SECONDS
  const issued = typeof issuedAt === 'string' ? Date.parse(issuedAt) : Number.NaN
  // A clock that is far off must not make every token look expired: then its age is not believed.
  const lifetimeMs = seconds * 1000
  const startMs = issued <= nowMs && nowMs - issued < lifetimeMs ? issued : nowMs
  return {
    token,
    expiresAtMs: startMs + lifetimeMs,
    ...(typeof refreshToken === 'string' && isTokenText(refreshToken) ? {refreshToken} : {}),
    ...decodeRefusals(fields.refusals),
  }
}

/** The refusals that have the form of a collector; the others are dropped. */
function decodeRefusals(value: unknown): Pick<TokenResponse, 'refusals'> {
  if (!Array.isArray(value)) return {}
  const refusals = value.slice(0, MAX_REFUSALS).flatMap((item: unknown): ExplainedRefusal[] => {
    const {scope, rule, explanation, remedies, below}: Readonly<Record<string, unknown>> = Object(item)
    if (typeof scope !== 'string' || typeof rule !== 'string' || !RULE.test(rule) || typeof explanation !== 'string') return []
    const commands = Array.isArray(remedies) ? remedies.filter((one): one is string => typeof one === 'string' && REMEDY.test(one)) : []
    return [
      {
        scope,
        rule,
        explanation: excerpt(explanation),
        remedies: commands.slice(0, MAX_REMEDIES),
        ...(typeof below === 'string' && BELOW.test(below) ? {below} : {}),
      },
    ]
  })
  return refusals.length === 0 ? {} : {refusals}
}
