/** HTTP Basic (RFC 7617). */

/** The value of `Authorization` for a user name and a password: it is as secret as the password. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
