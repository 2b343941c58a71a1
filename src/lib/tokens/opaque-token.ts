/** Opaque secrets that are given out and stored as hashes: refresh tokens, sessions, secrets of services and of notifications. Prefixes tell them apart at sight. */
import {createHash, randomBytes, timingSafeEqual} from 'node:crypto'
import {Secret} from '../core/secret.ts'

const SECRET_BYTES = 32
const PREFIXES = {refresh: 'hfr_', session: 'hfa_', service: 'hfs_', events: 'hfe_'} as const
const BODY = /^[A-Za-z0-9_-]{43}$/

export type OpaqueKind = keyof typeof PREFIXES

/** 256 random bits. */
export function makeOpaqueToken(kind: OpaqueKind): Secret {
  return new Secret(`${PREFIXES[kind]}${randomBytes(SECRET_BYTES).toString('base64url')}`)
}

/** Whether it has the form of one; what has not is not looked up. */
export function isOpaqueToken(kind: OpaqueKind, text: string): boolean {
  const prefix = PREFIXES[kind]
  return text.startsWith(prefix) && BODY.test(text.slice(prefix.length))
}

/** What is stored of it: SHA-256 in hex. With so many random bits nothing slower is needed. */
export function hashOpaqueToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Compares in a time that says nothing. */
export function matchesHash(token: string, hash: string): boolean {
  const [own, other] = [hashOpaqueToken(token), hash].map((text) => Buffer.from(text))
  return own !== undefined && other !== undefined && own.length === other.length && timingSafeEqual(own, other)
}
