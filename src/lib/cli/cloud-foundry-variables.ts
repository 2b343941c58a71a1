/** The session that variables describe, for CI: it lives as long as the run, and is kept nowhere. */
import type {SessionState} from '../cloud-foundry/session.ts'
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {type CloudFoundryProof, proveAccount} from './cloud-foundry-proof.ts'
import type {Context} from './context.ts'
import type {CloudFoundrySettings} from './settings.ts'
import {readSecret} from './standard-input.ts'

const STDIN_FLAG = '--cf-secret-stdin'
const WAYS = [
  'export HOLDFAST_CF_USERNAME=… HOLDFAST_CF_PASSWORD=…',
  'export HOLDFAST_CF_CLIENT_ID=… HOLDFAST_CF_CLIENT_SECRET=…',
  'export HOLDFAST_CF_PASSCODE=…',
]

/**
 * Logs in with the variables.
 * @returns undefined where there are none.
 * @throws {HoldfastError} CONFIGURATION for credentials that are incomplete, of two kinds, or without an API; as `proveAccount`.
 */
export async function openVariableSession(context: Context): Promise<SessionState | undefined> {
  const {cloudFoundry} = context.settings
  const {api} = cloudFoundry
  const named = namedCredentials(cloudFoundry)
  if (api === undefined) {
    const [first] = named
    if (first === undefined && !cloudFoundry.isSecretOnStdin) return undefined
    throw refused(`${first ?? STDIN_FLAG} is of no use without HOLDFAST_CF_API`, ['export HOLDFAST_CF_API=https://api.example.com'])
  }
  const proof = await readProof(cloudFoundry, named)
  return await proveAccount(context, {api, insecure: false, proof, how: 'export HOLDFAST_CF_API='})
}

async function readProof(settings: CloudFoundrySettings, named: readonly string[]): Promise<CloudFoundryProof> {
  const {username, password, origin, clientId, clientSecret, passcode, isSecretOnStdin} = settings
  const secrets = [password, clientSecret, passcode].filter((secret) => secret !== undefined)
  if ((username !== undefined && clientId !== undefined) || secrets.length + (isSecretOnStdin ? 1 : 0) > 1) {
    throw refused(`${[...named, ...(isSecretOnStdin ? [STDIN_FLAG] : [])].join(', ')} are more than one account`, WAYS)
  }
  const fromStdin = async (): Promise<Secret | undefined> => (isSecretOnStdin ? await readSecret(STDIN_FLAG) : undefined)
  if (username !== undefined) {
    const secret = password ?? (await fromStdin())
    if (secret === undefined) throw refused(`the password of HOLDFAST_CF_USERNAME is missing`, [WAYS[0] ?? '', `${STDIN_FLAG} < FILE`])
    return {kind: 'password', username, password: secret, origin}
  }
  if (clientId !== undefined) {
    const secret = clientSecret ?? (await fromStdin())
    if (secret === undefined) throw refused(`the secret of HOLDFAST_CF_CLIENT_ID is missing`, [WAYS[1] ?? '', `${STDIN_FLAG} < FILE`])
    return {kind: 'client', clientId, clientSecret: secret}
  }
  if (password !== undefined) throw refused('HOLDFAST_CF_PASSWORD is of no use without HOLDFAST_CF_USERNAME', WAYS)
  if (clientSecret !== undefined) throw refused('HOLDFAST_CF_CLIENT_SECRET is of no use without HOLDFAST_CF_CLIENT_ID', WAYS)
  const secret = passcode ?? (await fromStdin())
  if (secret !== undefined) return {kind: 'passcode', passcode: secret}
  throw refused('HOLDFAST_CF_API is set, and no credentials are', WAYS)
}

/** Which variables with credentials are set. */
function namedCredentials(settings: CloudFoundrySettings): readonly string[] {
  const {username, password, clientId, clientSecret, passcode} = settings
  return Object.entries({
    HOLDFAST_CF_USERNAME: username,
    HOLDFAST_CF_PASSWORD: password,
    HOLDFAST_CF_CLIENT_ID: clientId,
    HOLDFAST_CF_CLIENT_SECRET: clientSecret,
    HOLDFAST_CF_PASSCODE: passcode,
  }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
}

function refused(reason: string, hints: readonly string[]): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot log in to Cloud Foundry with variables: ${reason}`, {hints})
}
