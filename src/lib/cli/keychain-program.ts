/** The program that talks to the keychain for us. */
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

/** Its file: beside the bundle, or in `src/`. */
export function keychainProgram(): string {
  const self = fileURLToPath(import.meta.url)
  return self.endsWith('.cjs') ? join(dirname(self), 'keychain-process.cjs') : join(dirname(self), '../../keychain-process.ts')
}
