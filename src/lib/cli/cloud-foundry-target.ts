/** `holdfast target`: which foundation, org and space commands work on, and the account; another space for a session of ours. */
import {readJwtClaims} from '../auth/jwt-claims.ts'
import {HoldfastError} from '../core/errors.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import {findSession, keepTarget, type OpenSession, openController, readTarget, type SessionKind, targetHint} from './cloud-foundry.ts'
import type {Context} from './context.ts'

export interface Target {
  /** Where the session is from. */
  readonly session: SessionKind
  readonly api: string
  /** The user or the client; absent where the token does not say. */
  readonly account?: string
  readonly organization?: string
  readonly space?: string
}

export interface TargetRequest {
  readonly organization?: string | undefined
  readonly space?: string | undefined
}

/**
 * Looks up the target; with an org or a space, changes it before.
 * @throws {HoldfastError} CONFIGURATION where there is no session; USAGE for a change of a session that is not ours, and for a space without an org; OBJECT_NOT_FOUND; as `findSession`.
 */
export async function findTarget(context: Context, request: TargetRequest): Promise<Target> {
  const session = await findSession(context)
  if (session === undefined) {
    throw new HoldfastError('CONFIGURATION', 'cannot show the target: there is no session of Cloud Foundry', {
      hints: [
        'cf login',
        'holdfast login --cf API --org ORG --space SPACE',
        'export HOLDFAST_CF_API=… HOLDFAST_CF_USERNAME=… HOLDFAST_CF_PASSWORD=…',
      ],
    })
  }
  const controller = await openController(context, session)
  const isChange = request.organization !== undefined || request.space !== undefined
  if (isChange) await changeTarget(context, session, request, controller)
  const open = isChange ? ((await findSession(context)) ?? session) : session
  const [{accessToken}, {organization, space}] = await Promise.all([open.store.load(), readTarget(context.settings, open, controller)])
  const {user_name: user, client_id: client} = (accessToken === undefined ? undefined : readJwtClaims(accessToken.reveal())) ?? {}
  const account = [user, client].find((name) => typeof name === 'string' && name !== '')
  return {
    session: open.kind,
    api: open.target.api,
    ...(typeof account === 'string' ? {account} : {}),
    ...(organization === undefined ? {} : {organization: organization.name}),
    ...(space === undefined ? {} : {space: space.name}),
  }
}

async function changeTarget(
  context: Context,
  {kind, target}: OpenSession,
  request: TargetRequest,
  controller: Awaited<ReturnType<typeof openController>>,
): Promise<void> {
  const wanted = request.space ?? request.organization ?? ''
  if (kind !== 'holdfast') {
    const owner = kind === 'cf' ? 'of cf' : 'of variables'
    throw new HoldfastError('USAGE', `cannot target "${wanted}": the session is that ${owner}`, {
      hints: [
        targetHint(kind, request.organization ?? context.settings.cloudFoundry.organization ?? target.organization?.name, request.space),
      ],
    })
  }
  const {findOrganization, findSpace} = await import('../cloud-foundry/targets.ts')
  const organization = request.organization === undefined ? target.organization : await findOrganization(controller, request.organization)
  if (organization === undefined) {
    throw new HoldfastError('USAGE', `cannot target "${wanted}": no org is targeted that it would be a space of`, {
      hints: [targetHint(kind, 'ORG', wanted)],
    })
  }
  const space = request.space === undefined ? undefined : await findSpace(controller, organization, request.space)
  await keepTarget(context, {organization, space})
}

const SESSIONS: Readonly<Record<SessionKind, string>> = {
  variables: 'variables, HOLDFAST_CF_…',
  holdfast: 'holdfast login --cf',
  cf: 'cf login',
}

export function describeTarget({session, api, account, organization, space}: Target): readonly TerminalText[] {
  const lines = [
    ['api', api],
    ['account', account ?? '-'],
    ['org', organization ?? '-'],
    ['space', space ?? '-'],
    ['session', SESSIONS[session]],
  ] as const
  return lines.map(([name, value]) => text`${`${name}:`.padEnd(10)}${value}`)
}
