/**
 * The port for secrets: the one place where they stay when the program ends.
 *
 * Invariants: a secret is written whole or not at all; nothing is written anywhere else; no secret is in an error, a log, a file or an argument vector.
 * Each call rejects with KEYCHAIN_UNAVAILABLE, KEYCHAIN_LOCKED or KEYCHAIN_TIMEOUT when the keychain is not there, not open, or does not answer.
 *
 * Implementer: `keychain/` (Secret Service, macOS Keychain, Windows Credential Manager).
 */

import type {Secret} from '../core/secret.ts'
import type {LoginKey} from '../records/store.ts'

export interface SecretStore {
  /** What people call it, such as `macOS Keychain`. */
  readonly name: string
  /** Undefined when there is none under that key. */
  readSecret(key: LoginKey): Promise<Secret | undefined>
  writeSecret(key: LoginKey, secret: Secret): Promise<void>
  /** Answers whether there was one. */
  deleteSecret(key: LoginKey): Promise<boolean>
}
