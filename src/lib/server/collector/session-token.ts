/** Tokens of sessions of the REST API: opaque, stored as hashes. */
import {createHash, randomBytes} from 'node:crypto'
import {Secret} from '../../core/secret.ts'

const TOKEN_BYTES = 32
/** Told apart from every other secret at sight. */
const PREFIX = 'hfa_'
const TOKEN = /^hfa_[A-Za-z0-9_-]{43}$/

export function makeSessionToken(): Secret {
  return new Secret(`${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`)
}

export function isSessionToken(text: string): boolean {
  return TOKEN.test(text)
}

export function hashSessionToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
