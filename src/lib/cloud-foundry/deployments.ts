/** Deployments, which move an app to a droplet beside what it runs (API v3): made, read, cancelled. Waiting for one is in `rollouts.ts`. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt, valueAt} from './fields.ts'

/** What the API knows; `rollouts.ts` adds `recreate`. */
export type DeploymentStrategy = 'rolling' | 'canary'

/** `paused`: a canary that waits for `cf continue-deployment`. */
export type DeploymentPhase = 'deploying' | 'paused' | 'canceling' | 'deployed' | 'canceled' | 'superseded'

export interface Deployment {
  readonly guid: string
  readonly phase: DeploymentPhase
  readonly strategy: string | undefined
  /** What keeps it from going on, as the foundation says it. */
  readonly error?: string
  /** The process of its new instances. */
  readonly webProcess?: string
  /** Of a canary deployment, from 1; moves on when the deployment is continued. */
  readonly step?: number
}

/** The phases by reason; a deployment whose reason is not known goes by its value. */
const PHASES = new Map<string, DeploymentPhase>([
  ['DEPLOYING', 'deploying'],
  ['PAUSED', 'paused'],
  ['CANCELING', 'canceling'],
  ['DEPLOYED', 'deployed'],
  ['CANCELED', 'canceled'],
  ['SUPERSEDED', 'superseded'],
])

/**
 * Begins to move a started app to a droplet.
 * @throws {HoldfastError} PLATFORM_REFUSED when the foundation does not know the strategy or `max_in_flight`, or the quota has no room: nothing else is done instead.
 */
export async function createDeployment(
  controller: Controller,
  app: CloudFoundryApp,
  dropletGuid: string,
  {strategy, maxInFlight}: {readonly strategy: DeploymentStrategy; readonly maxInFlight?: number | undefined},
): Promise<Deployment> {
  const purpose = `deploy app "${app.name}"`
  let json: unknown
  try {
    json = await controller.send('POST', '/v3/deployments', {
      json: {
        droplet: {guid: dropletGuid},
        strategy,
        ...(maxInFlight === undefined ? {} : {options: {max_in_flight: maxInFlight}}),
        relationships: {app: {data: {guid: app.guid}}},
      },
      purpose,
    })
  } catch (error) {
    if (error instanceof HoldfastError && hasCode(error, 'PLATFORM_REFUSED')) throw withAdvice(error, strategy, maxInFlight)
    throw error
  }
  const deployment = readDeployment(purpose, json)
  const confirmed = {strategy: deployment.strategy, maxInFlight: valueAt(json, 'options', 'max_in_flight')}
  if ((confirmed.strategy ?? 'rolling') === strategy && (maxInFlight === undefined || confirmed.maxInFlight === maxInFlight))
    return deployment
  await cancelDeployment(controller, app, deployment.guid)
  throw new HoldfastError(
    'PLATFORM_REFUSED',
    `cannot ${purpose}: the foundation ignores ${confirmed.strategy === strategy ? `max_in_flight ${maxInFlight}` : `the strategy "${strategy}"`}; the deployment was cancelled`,
    {hints: otherStrategies(strategy), details: {deployment: deployment.guid}},
  )
}

/** The refusal with what helps against it. The code of the API is the same for all of them, so the hints go by its text. */
function withAdvice(refusal: HoldfastError, strategy: DeploymentStrategy, maxInFlight: number | undefined): HoldfastError {
  const {message, details} = refusal
  const hints = isQuotaError(message)
    ? quotaHints(maxInFlight)
    : /strategy/i.test(message)
      ? otherStrategies(strategy)
      : maxInFlight !== undefined && /options|max.in.flight/i.test(message)
        ? ['the same command without --max-in-flight: one new instance at a time']
        : refusal.hints
  return new HoldfastError(refusal.code, message, {hints, details, cause: refusal})
}

/** Says whether a text of the foundation is about a quota of the space or the organization. */
export function isQuotaError(text: string): boolean {
  return /quota|instance_limit_exceeded/i.test(text)
}

/** What needs less room than a deployment that was refused for its quota. */
export function quotaHints(maxInFlight: number | undefined): readonly string[] {
  return [
    ...(maxInFlight === undefined || maxInFlight === 1 ? [] : ['--max-in-flight 1   # needs room for one instance more']),
    '--strategy recreate   # needs no room: the app is stopped first, and nothing runs meanwhile',
    'cf space-quotas',
  ]
}

function otherStrategies(refused: DeploymentStrategy): readonly string[] {
  return ['rolling', 'recreate'].filter((strategy) => strategy !== refused).map((strategy) => `--strategy ${strategy}`)
}

export async function findDeployment(controller: Controller, {name}: CloudFoundryApp, guid: string): Promise<Deployment> {
  const purpose = `deploy app "${name}"`
  return readDeployment(purpose, await controller.send('GET', `/v3/deployments/${guid}`, {purpose}))
}

/** The deployment of an app that is under way: deploying, paused or being cancelled. */
export async function activeDeployment(controller: Controller, {guid, name}: CloudFoundryApp): Promise<Deployment | undefined> {
  const query = {app_guids: guid, status_values: 'ACTIVE', order_by: '-created_at', per_page: '1'}
  const purpose = `find the deployment of app "${name}"`
  const json = valueAt(await controller.send('GET', '/v3/deployments', {query, purpose}), 'resources', '0')
  return json === undefined ? undefined : readDeployment(purpose, json)
}

/**
 * Begins to end a deployment that is under way: the app is given its droplet from before at once, and its instances within seconds.
 * @returns false when the deployment had ended already.
 */
export async function cancelDeployment(controller: Controller, app: CloudFoundryApp, guid: string): Promise<boolean> {
  try {
    await controller.send('POST', `/v3/deployments/${guid}/actions/cancel`, {purpose: `cancel the deployment of app "${app.name}"`})
    return true
  } catch (error) {
    if (!hasCode(error, 'PLATFORM_REFUSED')) throw error
    if (isUnderWay(await findDeployment(controller, app, guid))) throw error
    return false
  }
}

export function isUnderWay({phase}: Deployment): boolean {
  return phase === 'deploying' || phase === 'paused' || phase === 'canceling'
}

/** For an app that is not running: there is nothing to roll. */
export async function setCurrentDroplet(controller: Controller, {guid, name}: CloudFoundryApp, dropletGuid: string): Promise<void> {
  await controller.send('PATCH', `/v3/apps/${guid}/relationships/current_droplet`, {
    json: {data: {guid: dropletGuid}},
    purpose: `give app "${name}" its release`,
  })
}

/** Commands that show why instances do not start. */
export function crashHints(app: string): readonly string[] {
  return [shellCommand`cf logs ${app} --recent`, shellCommand`cf app ${app}`]
}

export function readDeployment(purpose: string, json: unknown): Deployment {
  const [error, strategy] = [textAt(json, 'status', 'details', 'error'), textAt(json, 'strategy')]
  const processes: unknown = valueAt(json, 'new_processes')
  const webProcess = textAt(
    (Array.isArray(processes) ? processes : []).find((one) => textAt(one, 'type') === 'web'),
    'guid',
  )
  const step: unknown = valueAt(json, 'status', 'canary', 'steps', 'current')
  const isOver = textAt(json, 'status', 'value') === 'FINALIZED'
  return {
    guid: requireText(purpose, json, 'guid'),
    phase: PHASES.get(textAt(json, 'status', 'reason') ?? '') ?? (isOver ? 'canceled' : 'deploying'),
    strategy,
    ...(error === undefined ? {} : {error: excerpt(error)}),
    ...(webProcess === undefined ? {} : {webProcess}),
    ...(typeof step === 'number' ? {step} : {}),
  }
}
