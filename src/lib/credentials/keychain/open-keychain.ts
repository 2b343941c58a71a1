/** The keychain of this machine. */
import type {SecretStore} from '../secret-store.ts'
import {createIsolatedItems, type KeychainProgram} from './isolated-items.ts'
import {createKeychain} from './keychain.ts'

/** A keychain that answers at all does so in milliseconds; what takes longer is a dialog that nobody sees. With the start of both processes below 3 s. */
export const DEFAULT_KEYCHAIN_TIMEOUT_MS = 2_500

export interface KeychainOptions {
  readonly platform: NodeJS.Platform
  readonly program: KeychainProgram
  /** Milliseconds until a call is given up. */
  readonly timeoutMs?: number | undefined
}

/** Opens the keychain; the binding is loaded, in a process of its own, when something is first asked. */
export function openKeychain({platform, program, timeoutMs = DEFAULT_KEYCHAIN_TIMEOUT_MS}: KeychainOptions): SecretStore {
  return createKeychain(createIsolatedItems(program, timeoutMs), platform)
}
