/** `holdfast login --cf API`: a session of Cloud Foundry of our own, for who has no cf command line. */

import {createMemorySession, type NamedGuid, type SessionState} from '../cloud-foundry/session.ts'
import {findOrganization, findSpace} from '../cloud-foundry/targets.ts'
import {keepSession, openController} from './cloud-foundry.ts'
import {type CloudFoundryProof, proveAccount} from './cloud-foundry-proof.ts'
import type {Context} from './context.ts'

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

/** @throws {HoldfastError} USAGE for what is not the URL of an API; PLAIN_HTTP; as the grants, and OBJECT_NOT_FOUND for org and space; nothing is kept then. */
export async function logInToCloudFoundry(context: Context, request: CloudFoundryLoginRequest): Promise<CloudFoundryLogin> {
  const session = await proveAccount(context, {...request, how: 'holdfast login --cf '})
  const target = await findTarget(context, session, request)
  await keepSession(context, {...session, ...target})
  return {api: session.api, organization: target.organization?.name, space: target.space?.name}
}

async function findTarget(
  context: Context,
  session: SessionState,
  {organization, space}: CloudFoundryLoginRequest,
): Promise<{readonly organization?: NamedGuid; readonly space?: NamedGuid}> {
  if (organization === undefined) return {}
  const controller = await openController(context, {store: createMemorySession(session), target: session})
  const found = await findOrganization(controller, organization)
  return {organization: found, ...(space === undefined ? {} : {space: await findSpace(controller, found, space)})}
}
