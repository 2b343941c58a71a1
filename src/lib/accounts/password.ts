/** Passwords as argon2id hashes in the PHC string format (RFC 9106; OWASP's least parameters for a server that answers many). */
import {randomBytes, timingSafeEqual} from 'node:crypto'
import {availableParallelism} from 'node:os'
import type {Secret} from '../core/secret.ts'
import {HashPool} from './hash-pool.ts'

const MEMORY_KIB = 19 * 1024
const PASSES = 2
const LANES = 1
const HASH_BYTES = 32
const SALT_BYTES = 16
/** Each takes 19 MiB and a core: more at once would starve everything else. */
const MAX_THREADS = 4
/** About two seconds of work for two threads; clients wait no longer. */
const MAX_WAITING = 128
/** What nobody's password is compared with, so that an unknown name takes as long as a known one. */
const DUMMY_SALT = Buffer.alloc(SALT_BYTES)

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{22,86})$/

/** All hashes of this process: it has no thread before the first. */
const pool = new HashPool({maxThreads: Math.max(1, Math.min(MAX_THREADS, availableParallelism() - 1)), maxWaiting: MAX_WAITING})

/** @throws {HoldfastError} OVERLOADED when too many hashes wait already. */
export async function hashPassword(password: Secret): Promise<string> {
  const nonce = randomBytes(SALT_BYTES)
  const parameters = {nonce, memory: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: HASH_BYTES}
  const hash = await pool.derive({message: password.reveal(), ...parameters})
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(nonce)}$${unpadded(hash)}`
}

/**
 * Returns whether the password is that of the hash; without a hash it takes as long and is not. Passwords that wait are checked in the order of their weights.
 * @throws {HoldfastError} OVERLOADED when too many wait already.
 */
export async function verifyPassword(password: Secret, phc: string | undefined, weight = 0): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', expected = ''] = PHC.exec(phc ?? '') ?? []
  const tag = Buffer.from(expected, 'base64')
  const parameters = {
    nonce: tag.length === 0 ? DUMMY_SALT : Buffer.from(salt, 'base64'),
    memory: Number(memory ?? MEMORY_KIB),
    passes: Number(passes ?? PASSES),
    parallelism: Number(parallelism ?? LANES),
    tagLength: tag.length === 0 ? HASH_BYTES : tag.length,
  }
  const hash = await pool.derive({message: password.reveal(), ...parameters}, weight)
  return tag.length > 0 && timingSafeEqual(hash, tag)
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
