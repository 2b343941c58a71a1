/** Proving an account at a foundation: the API, and what stands for a password there, become a session that is kept nowhere yet. */
import type {SessionState} from '../cloud-foundry/session.ts'
import {CF_CLIENT, clientCredentialsGrant, passcodeGrant, passwordGrant, type RenewedTokens} from '../cloud-foundry/uaa.ts'
import {isLoopbackHost} from '../content/remote/trust.ts'
import {HoldfastError} from '../core/errors.ts'
import {rememberSecrets} from '../core/known-secrets.ts'
import type {Secret} from '../core/secret.ts'
import {cloudFoundryNetwork} from './cloud-foundry-network.ts'
import type {Context} from './context.ts'

export type CloudFoundryProof =
  | {readonly kind: 'password'; readonly username: string; readonly password: Secret; readonly origin?: string | undefined}
  | {readonly kind: 'passcode'; readonly passcode: Secret}
  | {readonly kind: 'client'; readonly clientId: string; readonly clientSecret: Secret}

export interface ProofRequest {
  readonly api: string
  readonly insecure: boolean
  readonly proof: CloudFoundryProof
  /** For hints: `holdfast login --cf`. */
  readonly how: string
}

/** @throws {HoldfastError} USAGE for what is not the URL of an API; PLAIN_HTTP; as the grants. */
export async function proveAccount(context: Context, {api: text, insecure, proof, how}: ProofRequest): Promise<SessionState> {
  const api = parseApi(text, how)
  rememberSecrets(secretOf(proof).reveal())
  const network = await cloudFoundryNetwork(context)
  const {readLinks} = await import('../cloud-foundry/root.ts')
  const {login} = await readLinks(api, insecure, network)
  const place = {login, insecure}
  const tokens: RenewedTokens =
    proof.kind === 'password'
      ? await passwordGrant(place, proof, network)
      : proof.kind === 'passcode'
        ? await passcodeGrant(place, proof.passcode, network)
        : await clientCredentialsGrant(place, proof.clientId, proof.clientSecret, network)
  return {
    api: api.origin,
    login,
    ...tokens,
    insecure,
    ...(proof.kind === 'client'
      ? {clientId: proof.clientId, clientSecret: proof.clientSecret, grantType: 'client_credentials'}
      : {clientId: CF_CLIENT, grantType: 'password'}),
  }
}

function secretOf(proof: CloudFoundryProof): Secret {
  return proof.kind === 'password' ? proof.password : proof.kind === 'passcode' ? proof.passcode : proof.clientSecret
}

function parseApi(text: string, how: string): URL {
  const api = URL.canParse(text) ? new URL(text) : URL.canParse(`https://${text}`) ? new URL(`https://${text}`) : undefined
  if (api === undefined || !['https:', 'http:'].includes(api.protocol) || api.username !== '' || api.pathname !== '/') {
    throw new HoldfastError('USAGE', `cannot log in to "${text.replace(/\/\/.*@/, '//')}": it is not like https://api.example.com`, {
      hints: [`${how}https://api.example.com`],
    })
  }
  if (api.protocol === 'https:' || isLoopbackHost(api.hostname)) return api
  throw new HoldfastError('PLAIN_HTTP', `cannot log in to "${api.origin}": the password would be sent unencrypted`, {
    hints: [`${how}https://${api.host}`],
  })
}
