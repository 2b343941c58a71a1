/** Going back to the release before, and giving a release new credentials. */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StepListener} from '../core/step.ts'
import {parseReference} from '../oci/reference.ts'
import type {Platform} from './platform.ts'
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
  readonly underWay?: 'deploying' | 'paused'
}

/**
 * Goes back to the release before; a release that is under way is cancelled, and not waited for.
 * @throws {HoldfastError} OBJECT_NOT_FOUND when no release before is known; what the platform throws.
 */
export async function rollBackApp(name: string, platform: Platform, onStep?: StepListener): Promise<Rollback> {
  const app = await platform.findApp(name)
  const cancelled = await platform.cancelRelease(app, onStep)
  if (cancelled !== undefined) return {app: name, image: cancelled.image, hasCancelled: true}
  const current = await platform.currentRelease(app)
  const {staged} = app
  if (staged?.previous === undefined || staged.previous === current?.id) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot roll back app "${name}": no release before is known`, {
      hints: [shellCommand`holdfast app show ${name}`],
    })
  }
  const before = current === undefined ? '' : `; it ran ${current.image}, release ${current.id}`
  const {image, underWay} = await platform.rollback(app, staged.previous, (step, left) => onStep?.(step, `${left}${before}`))
  const result = {app: name, image, ...(underWay === undefined ? {} : {underWay})}
  // Still under way it can be cancelled, and then the release before is what it was.
  if (current === undefined || underWay !== undefined) return result
  await platform.noteStaged(app, {...staged, previous: current.id})
  return {...result, previous: current.id}
}

export interface RotatedCredentials extends Pick<Rollback, 'app' | 'image' | 'underWay'> {}

/**
 * Gives an app that runs from the cache other credentials to pull with; the image stays the same to the byte.
 * @throws {HoldfastError} OBJECT_NOT_FOUND for an app that runs nothing from the cache; UNAUTHENTICATED, DENIED when the credentials do not open it.
 */
export async function rotateCredentials(
  name: string,
  {
    platform,
    pullCredentials,
    assertPullable,
    onStep,
  }: Pick<StageDependencies, 'platform' | 'pullCredentials' | 'assertPullable' | 'onStep'>,
): Promise<RotatedCredentials> {
  const app = await platform.findApp(name)
  await platform.settle(app, onStep)
  const current = await platform.currentRelease(app)
  const {staged} = app
  if (current === undefined || staged === undefined || current.image !== staged.cached) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot rotate the credentials of app "${name}": it runs nothing from the cache`, {
      hints: [shellCommand`holdfast app show ${name}`],
    })
  }
  await assertPullable(parseReference(staged.cached), pullCredentials)
  const {image, underWay} = await platform.release(app, {image: staged.cached, credentials: pullCredentials, onStep})
  return {app: name, image, ...(underWay === undefined ? {} : {underWay})}
}
