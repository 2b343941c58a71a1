/**
 * The keys that tokens are signed with: leaves under a private authority, whose certificate is all that registries must know. So a key changes and no registry is
 * touched. Values that the caller stores; the private keys in them are as secret as everything that they open.
 */
import {HoldfastError} from '../core/errors.ts'
import type {Certified} from './certificates.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const AUTHORITY_LIFE_MS = 10 * 365 * DAY_MS
const LEAF_LIFE_MS = 60 * DAY_MS
/** A new key takes over when the old one has half of its life behind it. */
const ROTATE_AFTER_MS = LEAF_LIFE_MS / 2
/** A leaf that ends this soon is a fault: nobody has rotated. */
const ALARM_BEFORE_MS = 7 * DAY_MS
/** The longest that a token is good. */
const MAX_TOKEN_LIFE_MS = DAY_MS

/** The key that signs, and those that have signed what may still be good. */
export interface KeyRing {
  readonly authority: Certified
  readonly active: Leaf
  readonly retiring: readonly RetiringLeaf[]
}

export interface Leaf extends Certified {
  /** ISO 8601: since when it signs. */
  readonly activeSince: string
}

interface RetiringLeaf extends Leaf {
  /** ISO 8601: since when it signs no more. */
  readonly retiredAt: string
}

export async function makeKeyRing(name: string, now: Date): Promise<KeyRing> {
  const {makeAuthority} = await import('./certificates.ts')
  const authority = await makeAuthority(`${name} registry token authority`, now, AUTHORITY_LIFE_MS)
  return {authority, active: await leaf(authority, now), retiring: []}
}

/** A ring whose new key signs; the old one is known until its last token has ended. */
export async function rotateKeys(ring: KeyRing, now: Date): Promise<KeyRing> {
  const retiring = [{...ring.active, retiredAt: now.toISOString()}, ...ring.retiring].filter(
    ({retiredAt}) => Date.parse(retiredAt) + MAX_TOKEN_LIFE_MS > now.getTime(),
  )
  return {authority: ring.authority, active: await leaf(ring.authority, now), retiring}
}

export function isRotationDue({active}: KeyRing, now: Date): boolean {
  return Date.parse(active.activeSince) + ROTATE_AFTER_MS <= now.getTime()
}

/** @throws {HoldfastError} CONFIGURATION when the key that signs ends within a week: registries then refuse its tokens. */
export function assertKeysLast({active, authority}: KeyRing, now: Date): void {
  const end = Math.min(Date.parse(active.notAfter), Date.parse(authority.notAfter))
  if (end - now.getTime() > ALARM_BEFORE_MS) return
  throw new HoldfastError('CONFIGURATION', `cannot go on signing tokens: the key ends on ${new Date(end).toISOString()}`, {
    hints: ['holdfast collector keys rotate'],
  })
}

async function leaf(authority: Certified, now: Date): Promise<Leaf> {
  const {makeLeaf} = await import('./certificates.ts')
  return {...(await makeLeaf('registry token key', authority, now, LEAF_LIFE_MS)), activeSince: now.toISOString()}
}
