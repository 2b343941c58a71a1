/**
 * Going back to the release before. A platform keeps the credentials of a release with it: a cached copy is given today's, or the platform shows that it can still pull it,
 * before anything changes.
 */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StepListener} from '../core/step.ts'
import {parseReference, type RegistryHost} from '../oci/reference.ts'
import {assertInCache, withHintIfGone} from './credentials.ts'
import {moveApp, releaseOf, startAgain} from './move-app.ts'
import type {KeptRelease, PlatformApp, Release, UnderWay} from './platform.ts'
import {isToBeStarted, judgeRelease, type RunningDependencies, readRunning, releaseBefore} from './running.ts'
import type {StageDependencies} from './stage-app.ts'

export interface Rollback {
  readonly app: string
  /** What it runs now. */
  readonly image: string
  /** What it ran, which the next rollback goes back to. */
  readonly previous?: string
  /** What was under way was cancelled instead: the app runs what it ran before that. */
  readonly hasCancelled?: true
  /** Present when it is still being moved: `paused` waits for the user to continue a canary deployment. */
  readonly underWay?: UnderWay
}

export interface RollbackDependencies extends Pick<StageDependencies, 'platform' | 'pullCredentials' | 'assertPullable' | 'onStep'> {
  readonly findCopy: RunningDependencies['findCopy']
  /** The cache that the credentials are for. */
  readonly openRegistry: () => Promise<RegistryHost>
}

/**
 * Goes back to the release before; a release that is under way is cancelled, and not waited for.
 * @throws {HoldfastError} OBJECT_NOT_FOUND when no release before is known, or the platform has let it go; STAGING_FAILED when the platform cannot pull it any more; what the
 * platform throws.
 */
export async function rollBackApp(name: string, dependencies: RollbackDependencies): Promise<Rollback> {
  const {platform, onStep} = dependencies
  const app = await platform.findApp(name)
  const cancelled = await platform.cancelRelease(app, onStep)
  if (cancelled !== undefined) return {app: name, image: cancelled.image, hasCancelled: true}
  const running = await readRunning(app, dependencies)
  const current = releaseOf(running)
  if (running.kind !== 'nothing' && isToBeStarted(app) && app.note?.pending?.to !== current) {
    // What it was stopped for has not come: what it has is the release before.
    const started = await startAgain(app, running, platform, onStep)
    return {app: name, image: running.image, hasCancelled: true, ...started}
  }
  const before = releaseBefore(current, app.note)
  if (before === undefined) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot roll back app "${name}": no release before is known`, {
      hints: [shellCommand`holdfast app show ${name}`],
    })
  }
  const ran = running.kind === 'nothing' || current === undefined ? '' : `; it ran ${running.image}, release ${current}`
  const tellStep: StepListener = (step, left) => onStep?.(step, `${left}${ran}`)
  const to = await prepareReturn(app, before, {...dependencies, onStep: tellStep})
  const underWay = await moveApp({app, running, to, previous: current}, platform, tellStep)
  return {
    app: name,
    image: to.image,
    ...(current === undefined ? {} : {previous: current}),
    ...(underWay === undefined ? {} : {underWay}),
  }
}

/** The release to go back to, or another one of the same image that the platform can pull. */
async function prepareReturn(app: PlatformApp, releaseId: string, dependencies: RollbackDependencies): Promise<Release> {
  const {platform, pullCredentials, assertPullable, openRegistry, onStep} = dependencies
  const target = await findKept(app, releaseId, platform)
  const judged = await judgeRelease(app, target, dependencies)
  if (judged.kind !== 'copy') return target
  const {staged} = judged
  if (pullCredentials === undefined) return await prepareAgain(app, {...target, staged}, dependencies)
  const image = parseReference(staged.cached)
  assertInCache(app, image, await openRegistry())
  await assertPullable(image, pullCredentials).catch(withHintIfGone(shellCommand`holdfast stage ${app.name} --image ${staged.source}`))
  return await platform.prepare(app, {image: staged.cached, staged, credentials: pullCredentials, onStep})
}

async function findKept(app: PlatformApp, releaseId: string, platform: RollbackDependencies['platform']): Promise<KeptRelease> {
  try {
    return await platform.findRelease(app, releaseId)
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error
    throw new HoldfastError(
      'OBJECT_NOT_FOUND',
      `cannot roll back app "${app.name}": the platform has deleted the release before, ${releaseId}`,
      {
        hints: [
          `${shellCommand`holdfast stage ${app.name}`} --image IMAGE   # the image that it is to run`,
          shellCommand`holdfast app show ${app.name}`,
        ],
        cause: error,
      },
    )
  }
}

/** The platform pulls it with what it has: that is known to nothing else. */
async function prepareAgain(app: PlatformApp, target: KeptRelease, {platform, onStep}: RollbackDependencies): Promise<Release> {
  try {
    return await platform.prepareAgain(app, target, onStep)
  } catch (error) {
    if (!hasCode(error, 'STAGING_FAILED')) throw error
    const username = target.pullsAs ?? 'NAME'
    throw new HoldfastError(
      'STAGING_FAILED',
      `cannot roll back app "${app.name}": the platform cannot pull "${target.image}" with the credentials of then; it runs what it ran: ${error.message}`,
      {
        hints: [`${shellCommand`holdfast rollback ${app.name} --pull-username ${username}`} --pull-password-stdin < FILE`],
        details: error.details,
        cause: error,
      },
    )
  }
}
