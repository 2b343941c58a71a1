/** How long the keychain may take. */
import {HoldfastError} from '../core/errors.ts'

const SECOND_MS = 1000
const MAX_TIMEOUT_SECONDS = 3600

/**
 * `HOLDFAST_KEYCHAIN_TIMEOUT` (seconds) in milliseconds; undefined for the default.
 * @throws {HoldfastError} CONFIGURATION when it is no number of seconds.
 */
export function keychainTimeoutMs({HOLDFAST_KEYCHAIN_TIMEOUT: text}: Readonly<Record<string, string | undefined>>): number | undefined {
  if (text === undefined || text === '') return undefined
  const seconds = Number(text)
  if (seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS) return seconds * SECOND_MS
  throw new HoldfastError(
    'CONFIGURATION',
    `cannot use "HOLDFAST_KEYCHAIN_TIMEOUT": it is no number of seconds up to ${MAX_TIMEOUT_SECONDS}`,
    {
      hints: ['export HOLDFAST_KEYCHAIN_TIMEOUT=30'],
    },
  )
}
