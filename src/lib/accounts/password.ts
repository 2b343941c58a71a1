/** Passwords as argon2id hashes in the PHC string format (RFC 9106; OWASP's least parameters for a server that answers many). */
import {argon2, randomBytes, timingSafeEqual} from 'node:crypto'
import {promisify} from 'node:util'
import {Lane} from '../core/lane.ts'
import type {Secret} from '../core/secret.ts'

const MEMORY_KIB = 19 * 1024
const PASSES = 2
const LANES = 1
const HASH_BYTES = 32
const SALT_BYTES = 16
/** Each takes 19 MiB and a core: more at once would starve everything else. */
const MAX_AT_ONCE = 4
/** What nobody's password is compared with, so that an unknown name takes as long as a known one. */
const DUMMY_SALT = Buffer.alloc(SALT_BYTES)

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{22,86})$/

const argon2Async = promisify(argon2)
const turns = new Lane(() => MAX_AT_ONCE)

export async function hashPassword(password: Secret): Promise<string> {
  const nonce = randomBytes(SALT_BYTES)
  const hash = await derive(password, {nonce, memory: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: HASH_BYTES})
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(nonce)}$${unpadded(hash)}`
}

/** Whether the password is that of the hash; without a hash it takes as long and is not. */
export async function verifyPassword(password: Secret, phc: string | undefined): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', expected = ''] = PHC.exec(phc ?? '') ?? []
  const tag = Buffer.from(expected, 'base64')
  const hash = await derive(password, {
    nonce: tag.length === 0 ? DUMMY_SALT : Buffer.from(salt, 'base64'),
    memory: Number(memory ?? MEMORY_KIB),
    passes: Number(passes ?? PASSES),
    parallelism: Number(parallelism ?? LANES),
    tagLength: tag.length === 0 ? HASH_BYTES : tag.length,
  })
  return tag.length > 0 && timingSafeEqual(hash, tag)
}

interface Parameters {
  readonly nonce: Buffer
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly tagLength: number
}

async function derive(password: Secret, parameters: Parameters): Promise<Buffer> {
  return await turns.run(() => argon2Async('argon2id', {message: password.reveal(), ...parameters}))
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
