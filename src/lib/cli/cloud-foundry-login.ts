/** `holdfast login --cf API`: a session of Cloud Foundry of our own, for who has no cf command line. */

import type {NamedGuid, SessionState} from '../cloud-foundry/session.ts'
import {findOrganization, findSpace} from '../cloud-foundry/targets.ts'
import {CF_CLIENT, clientCredentialsGrant, passcodeGrant, passwordGrant, type RenewedTokens} from '../cloud-foundry/uaa.ts'
import {isLoopbackHost} from '../content/remote/trust.ts'
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {cloudFoundryNetwork, keepSession, openController} from './cloud-foundry.ts'
import type {Context} from './context.ts'

export type CloudFoundryProof =
  | {readonly kind: 'password'; readonly username: string; readonly password: Secret; readonly origin?: string | undefined}
  | {readonly kind: 'passcode'; readonly passcode: Secret}
  | {readonly kind: 'client'; readonly clientId: string; readonly clientSecret: Secret}

export interface CloudFoundryLoginRequest {
  readonly api: string
  readonly organization?: string | undefined
  readonly space?: string | undefined
  readonly insecure: boolean
  readonly proof: CloudFoundryProof
}

export interface CloudFoundryLogin {
  readonly api: string
  readonly organization?: string | undefined
  readonly space?: string | undefined
}

/** @throws {HoldfastError} USAGE for what is no URL of an API; PLAIN_HTTP; as the grants, and OBJECT_NOT_FOUND for org and space; nothing is kept then. */
export async function logInToCloudFoundry(context: Context, request: CloudFoundryLoginRequest): Promise<CloudFoundryLogin> {
  const {proof, insecure} = request
  const api = parseApi(request.api)
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
  const session: SessionState = {
    api: api.origin,
    login,
    ...tokens,
    insecure,
    ...(proof.kind === 'client'
      ? {clientId: proof.clientId, clientSecret: proof.clientSecret, grantType: 'client_credentials'}
      : {clientId: CF_CLIENT, grantType: 'password'}),
  }
  const target = await findTarget(context, session, request)
  await keepSession(context, {...session, ...target})
  return {api: api.origin, organization: target.organization?.name, space: target.space?.name}
}

async function findTarget(
  context: Context,
  session: SessionState,
  {organization, space}: CloudFoundryLoginRequest,
): Promise<{readonly organization?: NamedGuid; readonly space?: NamedGuid}> {
  if (organization === undefined) return {}
  const store = {loginHint: 'holdfast login --cf API', load: async () => session, saveTokens: async () => {}}
  const controller = await openController(context, {store, target: session})
  const found = await findOrganization(controller, organization)
  return {organization: found, ...(space === undefined ? {} : {space: await findSpace(controller, found, space)})}
}

function parseApi(text: string): URL {
  const api = URL.canParse(text) ? new URL(text) : URL.canParse(`https://${text}`) ? new URL(`https://${text}`) : undefined
  if (api === undefined || !['https:', 'http:'].includes(api.protocol) || api.username !== '' || api.pathname !== '/') {
    throw new HoldfastError('USAGE', `cannot log in to "${text.replace(/\/\/.*@/, '//')}": it is no https://api.example.com`, {
      hints: ['holdfast login --cf https://api.example.com'],
    })
  }
  if (api.protocol === 'https:' || isLoopbackHost(api.hostname)) return api
  throw new HoldfastError('PLAIN_HTTP', `cannot log in to "${api.origin}": the password would be read by everybody on the way`, {
    hints: [`holdfast login --cf https://${api.host}`],
  })
}
