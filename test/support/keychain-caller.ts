/** One call of the keychain as a process: `keychain-caller.ts read|write|delete ACCOUNT`, a secret to write on standard input, the outcome as JSON on standard output. */
import {text} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import {openKeychain} from '../../src/lib/credentials/keychain/open-keychain.ts'
import {parseRegistryHost} from '../../src/lib/oci/reference.ts'

const [operation, account = ''] = process.argv.slice(2)
const {KEYCHAIN_PLATFORM, KEYCHAIN_TIMEOUT_MS} = process.env
const keychain = openKeychain({
  platform: KEYCHAIN_PLATFORM === 'win32' ? 'win32' : process.platform,
  program: {file: fileURLToPath(new URL('../../src/keychain-process.ts', import.meta.url)), environment: process.env},
  ...(KEYCHAIN_TIMEOUT_MS === undefined ? {} : {timeoutMs: Number(KEYCHAIN_TIMEOUT_MS)}),
})
const key = {registry: parseRegistryHost('registry.example.com'), account}

async function call(): Promise<object> {
  if (operation === 'read') return {value: (await keychain.readSecret(key))?.reveal()}
  if (operation === 'delete') return {existed: await keychain.deleteSecret(key)}
  await keychain.writeSecret(key, new Secret(await text(process.stdin)))
  return {}
}

try {
  process.stdout.write(JSON.stringify(await call()))
} catch (error) {
  if (!(error instanceof HoldfastError)) throw error
  const {code, message, hints} = error
  process.stdout.write(JSON.stringify({code, message, hints}))
}
