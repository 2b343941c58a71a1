/** What a token says of itself where it is a JWT (RFC 7519 §4.1). Nothing is verified: it is a hint for people, never a decision. */

/** A token larger than this is not looked into. */
const MAX_JWT_CHARACTERS = 64 * 1024
/** The largest time that a Date holds, in seconds. */
const MAX_TIME_SECONDS = 8.64e12

/** The claims of a JWT; undefined for every other token. */
export function readJwtClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  const [, payload, signature, ...rest] = token.length > MAX_JWT_CHARACTERS ? [] : token.split('.')
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? {...claims} : undefined
  } catch {
    return undefined
  }
}

/** When a JWT ends; undefined when it does not say, and for every other token. */
export function readJwtExpiry(token: string): Date | undefined {
  const exp = readJwtClaims(token)?.exp
  return typeof exp === 'number' && exp > 0 && exp <= MAX_TIME_SECONDS ? new Date(exp * 1000) : undefined
}
