/** When a token says that it ends, where it is a JWT (RFC 7519 §4.1.4). */

/** A token larger than this is not looked into. */
const MAX_JWT_CHARACTERS = 64 * 1024
/** The largest time that a Date holds, in seconds. */
const MAX_TIME_SECONDS = 8.64e12

/** The `exp` of a JWT; undefined for every other token. Nothing is verified: it is a hint for people, never a decision. */
export function readJwtExpiry(token: string): Date | undefined {
  const [, payload, signature, ...rest] = token.length > MAX_JWT_CHARACTERS ? [] : token.split('.')
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    const exp = typeof claims === 'object' && claims !== null && 'exp' in claims ? claims.exp : undefined
    return typeof exp === 'number' && exp > 0 && exp <= MAX_TIME_SECONDS ? new Date(exp * 1000) : undefined
  } catch {
    return undefined
  }
}
