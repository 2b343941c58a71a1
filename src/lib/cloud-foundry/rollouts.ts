/**
 * Moving an app to a droplet and waiting for it, as the cf command line does: told what becomes of the new instances, and cancelled when they do not come up, so that no deployment
 * that cannot start stays under way.
 */
import {formatSeconds} from '../core/duration.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {
  cancelDeployment,
  crashHints,
  createDeployment,
  type Deployment,
  type DeploymentPhase,
  type DeploymentStrategy,
  findDeployment,
  isQuotaError,
  isUnderWay,
  quotaHints,
  setCurrentDroplet,
} from './deployments.ts'
import {areAllCrashed, countInstances, type InstanceCounts, listProcesses, NO_INSTANCES} from './instances.ts'
import {startApp, stopApp} from './manifests.ts'
import {currentDroplet, type Waiting} from './releases.ts'

/** As cf waits for instances to start, unless CF_STARTUP_TIMEOUT says otherwise. */
const DEFAULT_STARTUP_TIMEOUT_MS = 5 * 60_000
/** The foundation ends the instances of a cancelled deployment within seconds. */
const CANCEL_TIMEOUT_MS = 60_000
/** cf asks every three seconds; quick ones are seen sooner. */
const FIRST_POLL_MS = 250
const MAX_POLL_MS = 3_000

/** `recreate` stops the app, gives it its droplet and starts it: no room beside what it has is needed, and nothing runs meanwhile. */
type RolloutStrategy = DeploymentStrategy | 'recreate'

export interface Rollout {
  readonly strategy: RolloutStrategy
  /** How many new instances may start at a time; the foundation's own number (1) when absent. */
  readonly maxInFlight?: number | undefined
  /** How long it may go on without one more new instance that runs. */
  readonly timeoutMs: number
  /** `first`: only for one new instance that runs; the others follow at the foundation. */
  readonly waitsFor: 'all' | 'first'
  /** What becomes of one that does not get on. */
  readonly onFailure: 'cancel' | 'keep'
}

export const DEFAULT_ROLLOUT: Rollout = {
  strategy: 'rolling',
  timeoutMs: DEFAULT_STARTUP_TIMEOUT_MS,
  waitsFor: 'all',
  onFailure: 'cancel',
}

/** How far a rollout has come; told whenever something of it changes. */
export interface RolloutProgress {
  readonly app: string
  readonly phase: DeploymentPhase | 'starting'
  /** Which process of the app, where it has several. */
  readonly process?: string
  /** Of the new instances. */
  readonly instances?: InstanceCounts
  /** What keeps it from going on, as the foundation says it. */
  readonly error?: string
}

export interface RolloutDependencies {
  readonly controller: Controller
  readonly waiting: Waiting
  readonly onProgress?: ((progress: RolloutProgress) => void) | undefined
}

/** `done`: the app runs the droplet. `paused`: a canary instance does, and the deployment waits for `cf continue-deployment`. `under-way`: some instances do. */
export type RolloutState = 'done' | 'paused' | 'under-way'

/**
 * Moves a started app to a droplet.
 * @throws {HoldfastError} STAGING_FAILED when every new instance crashed; TIMEOUT; both after the deployment was cancelled, which `details.cancelled` says, unless it is to be kept.
 * DEPLOYMENT_CANCELLED when another user cancelled or replaced it; PLATFORM_REFUSED as `createDeployment`.
 */
export async function rollOut(
  app: CloudFoundryApp,
  dropletGuid: string,
  rollout: Rollout,
  dependencies: RolloutDependencies,
): Promise<RolloutState> {
  const {controller} = dependencies
  const {strategy, waitsFor, maxInFlight} = rollout
  if (strategy === 'recreate') return await recreate(app, dropletGuid, rollout, dependencies)
  const deployment = await createDeployment(controller, app, dropletGuid, {strategy, maxInFlight})
  const ending = await follow(app, deployment.guid, rollout, dependencies)
  if (ending.kind === 'first-runs') return 'under-way'
  const last = ending.kind === 'ended' ? ending.deployment : await giveUp(app, ending, rollout, dependencies)
  if (last.phase === 'paused') return 'paused'
  if (last.phase !== 'deployed') throw endedByOthers(app, last)
  if (waitsFor === 'all') await awaitProcesses(app, rollout, dependencies, ({type}) => type !== 'web', hasNewRelease(app))
  return 'done'
}

/**
 * Starts a stopped app with the droplet that it has, and waits for it.
 * @throws {HoldfastError} STAGING_FAILED when all instances of a process crashed; TIMEOUT; it stays started after both.
 */
export async function startStopped(app: CloudFoundryApp, rollout: Rollout, dependencies: RolloutDependencies): Promise<RolloutState> {
  await startApp(dependencies.controller, app)
  await awaitStarted(app, rollout, dependencies, {purpose: 'start', end: 'it stays started'})
  return rollout.waitsFor === 'all' ? 'done' : 'under-way'
}

/**
 * Waits for a deployment that is under way, and leaves it as it is; does nothing where there is none. How it ended is the business of its own command.
 * @throws {HoldfastError} CONFLICT for one that is paused; STAGING_FAILED when every new instance crashed; TIMEOUT.
 */
export async function awaitOther(
  app: CloudFoundryApp,
  deployment: Deployment,
  {timeoutMs}: Pick<Rollout, 'timeoutMs'>,
  dependencies: RolloutDependencies,
): Promise<void> {
  const ending = await follow(app, deployment.guid, {timeoutMs, waitsFor: 'all'}, dependencies)
  if (ending.kind === 'first-runs' || (ending.kind === 'ended' && ending.deployment.phase !== 'paused')) return
  const {name} = app
  const ways = [shellCommand`holdfast rollback ${name}`, shellCommand`cf cancel-deployment ${name}`]
  const purpose = `wait for the deployment of app "${name}" that is under way`
  if (ending.kind === 'ended') {
    throw new HoldfastError('CONFLICT', `cannot ${purpose}: it is paused`, {
      hints: [shellCommand`cf continue-deployment ${name}`, ...ways],
      details: {deployment: deployment.guid},
    })
  }
  throw new HoldfastError(ending.code, `cannot ${purpose}: ${ending.reason}`, {
    hints: [...ways, ...crashHints(name)],
    details: {deployment: deployment.guid},
  })
}

/**
 * Cancels a deployment that is under way, also one of another user, and waits until what ran before runs again.
 * @returns false when it was done meanwhile.
 * @throws {HoldfastError} TIMEOUT when the foundation does not end it.
 */
export async function cancelOther(
  app: CloudFoundryApp,
  deployment: Deployment,
  {timeoutMs}: Pick<Rollout, 'timeoutMs'>,
  dependencies: RolloutDependencies,
): Promise<boolean> {
  const {controller} = dependencies
  const isCancelled = await cancelDeployment(controller, app, deployment.guid)
  const ended = isCancelled
    ? await followCancellation(app, deployment.guid, timeoutMs, dependencies)
    : await findDeployment(controller, app, deployment.guid)
  if (!isUnderWay(ended)) return ended.phase !== 'deployed'
  throw new HoldfastError(
    'TIMEOUT',
    `cannot cancel the deployment of app "${app.name}": the foundation was told, and has not ended it in ${formatSeconds(timeoutMs / 1000)}`,
    {hints: [shellCommand`cf app ${app.name}`], details: {deployment: deployment.guid}},
  )
}

type Failure = {
  readonly kind: 'failed'
  readonly code: 'STAGING_FAILED' | 'TIMEOUT'
  readonly reason: string
  readonly deployment: Deployment
}
type Ending =
  | {readonly kind: 'ended'; readonly deployment: Deployment}
  | {readonly kind: 'first-runs'; readonly deployment: Deployment}
  | Failure

/** Waits until a deployment ends, pauses, or does not get on. */
async function follow(
  app: CloudFoundryApp,
  guid: string,
  {timeoutMs, waitsFor}: Pick<Rollout, 'timeoutMs' | 'waitsFor'>,
  {controller, waiting, onProgress}: RolloutDependencies,
): Promise<Ending> {
  const patience = createPatience(waiting, timeoutMs)
  const report = reportChanges(onProgress)
  for (;;) {
    const deployment = await findDeployment(controller, app, guid)
    const {phase, webProcess, error, step} = deployment
    const instances = phase === 'deploying' && webProcess !== undefined ? await countInstances(controller, app, webProcess) : NO_INSTANCES
    report({
      app: app.name,
      phase,
      ...(phase === 'deploying' ? {instances} : {}),
      ...(error === undefined ? {} : {error}),
    })
    if (!isUnderWay(deployment) || phase === 'paused') return {kind: 'ended', deployment}
    if (areAllCrashed(instances)) return failure('STAGING_FAILED', 'every new instance crashed', deployment)
    if (waitsFor === 'first' && instances.running > 0) return {kind: 'first-runs', deployment}
    if (!(await patience.wait(`${phase} ${step}`, instances.running))) {
      const counts = `${instances.running} running, ${instances.starting} starting, ${instances.crashed} crashed`
      return failure('TIMEOUT', `no further new instance ran in ${formatSeconds(timeoutMs / 1000)} (${counts})`, deployment)
    }
  }
}

function failure(code: Failure['code'], reason: string, deployment: Deployment): Failure {
  return {kind: 'failed', code, reason: deployment.error === undefined ? reason : `${reason}: ${deployment.error}`, deployment}
}

/** Cancels a deployment that does not get on, and says so; answers the deployment when it has ended in the meantime. */
async function giveUp(
  app: CloudFoundryApp,
  {code, reason, deployment}: Failure,
  {onFailure, maxInFlight}: Rollout,
  dependencies: RolloutDependencies,
): Promise<Deployment> {
  const {controller} = dependencies
  const hints = [
    ...(isQuotaError(reason) ? quotaHints(maxInFlight) : []),
    ...crashHints(app.name),
    ...(code === 'TIMEOUT' ? ['--timeout 15m   # for instances that take longer'] : []),
  ]
  const fail = (end: string, details: object): HoldfastError =>
    new HoldfastError(code, `cannot deploy app "${app.name}": ${reason}; ${end}`, {
      hints,
      details: {deployment: deployment.guid, ...details},
    })
  if (onFailure === 'keep') throw fail('the deployment was left as it is', {})
  if (!(await cancelDeployment(controller, app, deployment.guid))) return await findDeployment(controller, app, deployment.guid)
  const ended = await followCancellation(app, deployment.guid, CANCEL_TIMEOUT_MS, dependencies)
  if (ended.phase === 'deployed') return ended
  throw fail(
    isUnderWay(ended)
      ? 'the foundation was told to cancel the deployment, and brings back what ran before'
      : 'the deployment was cancelled, and what ran before runs again',
    {cancelled: deployment.guid},
  )
}

/** Waits until a deployment that is being cancelled has ended, as long as that may take; answers what became of it. */
async function followCancellation(
  app: CloudFoundryApp,
  guid: string,
  timeoutMs: number,
  {controller, waiting, onProgress}: RolloutDependencies,
): Promise<Deployment> {
  const patience = createPatience(waiting, timeoutMs)
  const report = reportChanges(onProgress)
  for (;;) {
    const deployment = await findDeployment(controller, app, guid)
    report({app: app.name, phase: deployment.phase})
    if (!isUnderWay(deployment) || !(await patience.wait('canceling', 0))) return deployment
  }
}

function endedByOthers({name}: CloudFoundryApp, {guid, phase}: Deployment): HoldfastError {
  const reason =
    phase === 'superseded'
      ? 'another deployment has taken the place of this one'
      : 'another user cancelled the deployment, and what ran before runs again'
  return new HoldfastError('DEPLOYMENT_CANCELLED', `cannot deploy app "${name}": ${reason}`, {
    hints: [shellCommand`cf events ${name}`, shellCommand`cf app ${name}`],
    details: {deployment: guid, reason: phase},
  })
}

/** Stops the app, gives it the droplet and starts it; where that fails, what ran before is started again. */
async function recreate(
  app: CloudFoundryApp,
  dropletGuid: string,
  rollout: Rollout,
  dependencies: RolloutDependencies,
): Promise<RolloutState> {
  const {controller} = dependencies
  const before = await currentDroplet(controller, app)
  await stopApp(controller, app)
  try {
    await setCurrentDroplet(controller, app, dropletGuid)
    await startApp(controller, app)
    await awaitStarted(app, rollout, dependencies, rollout.onFailure === 'keep' ? hasNewRelease(app) : {purpose: 'deploy'})
    return rollout.waitsFor === 'all' ? 'done' : 'under-way'
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED' || rollout.onFailure === 'keep') throw error
    const {name} = app
    const {end, hints} = await bringBack(app, before?.guid, controller).then(
      () => ({end: 'what ran before was started again', hints: []}),
      (cause: unknown) => ({
        end: `the app is stopped, and could not be given what it ran before: ${cause instanceof Error ? cause.message : ''}`,
        hints: [shellCommand`cf start ${name}`],
      }),
    )
    throw new HoldfastError(error.code, `${error.message}; ${end}`, {
      hints: [...error.hints, ...hints],
      details: {...error.details, cancelled: dropletGuid},
      cause: error,
    })
  }
}

async function bringBack(app: CloudFoundryApp, dropletGuid: string | undefined, controller: Controller): Promise<void> {
  await stopApp(controller, app)
  if (dropletGuid !== undefined) await setCurrentDroplet(controller, app, dropletGuid)
  await startApp(controller, app)
}

/** What an app is in when its processes do not come up. */
interface Failing {
  readonly purpose: 'deploy' | 'start'
  /** Ends the message. */
  readonly end?: string
  readonly hints?: readonly string[]
}

/** The release stays, and the one before is known. */
function hasNewRelease({name}: CloudFoundryApp): Failing {
  return {purpose: 'deploy', end: 'the app has its new release, which was not taken back', hints: [shellCommand`holdfast rollback ${name}`]}
}

/** Waits for what a start starts: all processes, or the first instance of the web process. */
async function awaitStarted(app: CloudFoundryApp, rollout: Rollout, dependencies: RolloutDependencies, failing: Failing): Promise<void> {
  await awaitProcesses(app, rollout, dependencies, ({type}) => rollout.waitsFor === 'all' || type === 'web', failing)
}

/**
 * Waits until every process of an app that is looked at runs: all its instances, or one where the first is enough.
 * @throws {HoldfastError} STAGING_FAILED when all instances of one crashed; TIMEOUT.
 */
async function awaitProcesses(
  app: CloudFoundryApp,
  {timeoutMs, waitsFor}: Pick<Rollout, 'timeoutMs' | 'waitsFor'>,
  {controller, waiting, onProgress}: RolloutDependencies,
  isMeant: (process: {readonly type: string}) => boolean,
  {purpose, end, hints = []}: Failing,
): Promise<void> {
  const fail = (code: Failure['code'], reason: string): HoldfastError =>
    new HoldfastError(code, `cannot ${purpose} app "${app.name}": ${reason}${end === undefined ? '' : `; ${end}`}`, {
      hints: [...crashHints(app.name), ...hints],
    })
  for (const {guid, type, instances: wanted} of (await listProcesses(controller, app)).filter(isMeant)) {
    const patience = createPatience(waiting, timeoutMs)
    const report = reportChanges(onProgress)
    for (;;) {
      const instances = await countInstances(controller, app, guid)
      report({app: app.name, phase: 'starting', process: type, instances})
      if (instances.running >= (waitsFor === 'all' ? wanted : 1)) break
      if (areAllCrashed(instances)) throw fail('STAGING_FAILED', `every instance of its process "${type}" crashed`)
      if (!(await patience.wait('', instances.running))) {
        throw fail('TIMEOUT', `no further instance of its process "${type}" ran in ${formatSeconds(timeoutMs / 1000)}`)
      }
    }
  }
}

interface Patience {
  /** Waits for the next look; false when nothing has moved for too long. */
  wait(stage: string, running: number): Promise<boolean>
}

/** Moving is another stage, or more running instances than ever before. */
function createPatience({now, sleep}: Waiting, timeoutMs: number): Patience {
  let end = now().getTime() + timeoutMs
  let last: string | undefined
  let most = 0
  let waitMs = FIRST_POLL_MS
  return {
    async wait(stage, running) {
      if ((last !== undefined && stage !== last) || running > most) end = now().getTime() + timeoutMs
      last = stage
      most = Math.max(most, running)
      if (now().getTime() + waitMs > end) return false
      await sleep(waitMs)
      waitMs = Math.min(waitMs * 2, MAX_POLL_MS)
      return true
    },
  }
}

function reportChanges(onProgress: RolloutDependencies['onProgress']): (progress: RolloutProgress) => void {
  let last = ''
  return (progress) => {
    const now = JSON.stringify(progress)
    if (now !== last) onProgress?.(progress)
    last = now
  }
}
