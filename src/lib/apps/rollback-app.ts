/**
 * Going back to the release before. A platform keeps the credentials of a release with it, so a cached copy is given today's, or is known to have them, before anything changes.
 */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StepListener} from '../core/step.ts'
import {parseReference, type Reference, type RegistryHost} from '../oci/reference.ts'
import {assertInCache} from './credentials.ts'
import {moveApp, nameCredentials, releaseOf} from './move-app.ts'
import type {Platform, PlatformApp, Release, UnderWay} from './platform.ts'
import {judgeRelease, type Running, type RunningDependencies, readRunning, releaseBefore} from './running.ts'
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
  /** Whether an image is there, asked with what Holdfast itself has; undefined when it cannot be asked. */
  readonly isThere: (image: Reference) => Promise<boolean | undefined>
  /** The cache that the credentials are for. */
  readonly openRegistry: () => Promise<RegistryHost>
}

/**
 * Goes back to the release before; a release that is under way is cancelled, and not waited for.
 * @throws {HoldfastError} OBJECT_NOT_FOUND when no release before is known, or the platform has let it go; MANIFEST_NOT_FOUND when its copy is gone from the cache; USAGE
 * when its credentials are not known to be today's, and none are given; what the platform throws.
 */
export async function rollBackApp(name: string, dependencies: RollbackDependencies): Promise<Rollback> {
  const {platform, onStep} = dependencies
  const app = await platform.findApp(name)
  const cancelled = await platform.cancelRelease(app, onStep)
  if (cancelled !== undefined) return {app: name, image: cancelled.image, hasCancelled: true}
  const running = await readRunning(app, dependencies)
  const current = releaseOf(running)
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

/** The release to go back to, or another one of the same image, whose instances can pull it. */
async function prepareReturn(app: PlatformApp, releaseId: string, dependencies: RollbackDependencies): Promise<Release> {
  const {platform, pullCredentials, assertPullable, isThere, openRegistry, onStep} = dependencies
  const target = await platform.findRelease(app, releaseId)
  const judged = await judgeRelease(app, target, dependencies)
  if (platform.kind === 'local' || judged.kind !== 'copy') return target
  const {staged} = judged
  const image = parseReference(staged.cached)
  if (pullCredentials !== undefined) {
    assertInCache(app, image, await openRegistry())
    await assertPullable(image, pullCredentials)
    const credentialsName = nameCredentials(pullCredentials, app.note?.credentials)
    return await platform.prepare(app, {image: staged.cached, staged, credentials: pullCredentials, credentialsName, onStep})
  }
  const marked = await markTarget(app, target, judged, platform)
  if (target.pullsAs === undefined) {
    await assertPullable(image, undefined)
    return marked
  }
  if (target.credentials === undefined || target.credentials !== app.note?.credentials)
    throw staleCredentials(app, target.pullsAs, staged.cached)
  if ((await isThere(image)) === false) {
    throw new HoldfastError(
      'MANIFEST_NOT_FOUND',
      `cannot roll back app "${app.name}": its copy "${staged.cached}" is gone from the cache`,
      {
        hints: [shellCommand`holdfast stage ${app.name} --image ${staged.source}`],
      },
    )
  }
  return marked
}

/** A release of an older version tells what it is a copy of from now on. */
async function markTarget(
  app: PlatformApp,
  target: Release,
  judged: Extract<Running, {kind: 'copy'}>,
  platform: Platform,
): Promise<Release> {
  if (judged.isMarked) return target
  await platform.mark(app, target.id, judged.staged)
  return {...target, staged: judged.staged}
}

function staleCredentials({name}: PlatformApp, username: string, image: string): HoldfastError {
  return new HoldfastError(
    'USAGE',
    `cannot roll back app "${name}": the release before pulls "${image}" as "${username}" with a password that is not known to be today’s`,
    {hints: [shellCommand`holdfast rollback ${name} --pull-username ${username} --pull-password-stdin < FILE`]},
  )
}
