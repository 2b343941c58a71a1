/** HTTP Basic (RFC 7617). */

/** The value of `Authorization` for a user name and a password: it is as secret as the password. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

export interface BasicCredentials {
  readonly username: string
  readonly password: string
}

const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i

/** User name and password of an `Authorization` header; undefined when it is none of Basic, or not UTF-8. */
export function parseBasic(header: string): BasicCredentials | undefined {
  const encoded = BASIC.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0 || text.includes('\uFFFD') || text.includes('\0')) return undefined
  return {username: text.slice(0, colon), password: text.slice(colon + 1)}
}
