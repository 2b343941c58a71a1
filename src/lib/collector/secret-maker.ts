/** Makes what proves people and workloads, and the hashes of it that are stored. */
import {argon2, createHash, randomBytes} from 'node:crypto'
import {promisify} from 'node:util'
import {Secret} from '../core/secret.ts'
import type {SecretMaker} from './api/operation.ts'

const MEMORY_KIB = 19 * 1024
const PASSES = 2
const LANES = 1
const HASH_BYTES = 32
const SALT_BYTES = 16
const SECRET_BYTES = 32

const argon2Async = promisify(argon2)

export function createSecretMaker(): SecretMaker {
  return {
    async hashPassword(password) {
      const nonce = randomBytes(SALT_BYTES)
      const parameters = {message: password.reveal(), nonce, parallelism: LANES, tagLength: HASH_BYTES, memory: MEMORY_KIB, passes: PASSES}
      const hash = await argon2Async('argon2id', parameters)
      const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
      return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${base64(nonce)}$${base64(hash)}`
    },
    makeServiceSecret: () => make('hfs_'),
    makeEventsSecret: () => make('hfe_'),
  }
}

function make(prefix: string): {readonly secret: Secret; readonly hash: string} {
  const secret = `${prefix}${randomBytes(SECRET_BYTES).toString('base64url')}`
  return {secret: new Secret(secret), hash: createHash('sha256').update(secret).digest('hex')}
}
