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
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND when no release before is known; what the platform throws. */
export async function rollBackApp(name: string, platform: Platform, onStep?: StepListener): Promise<Rollback> {
  const app = await platform.findApp(name)
  await platform.settle(app, onStep)
  const current = await platform.currentRelease(app)
  const {staged} = app
  if (staged?.previous === undefined || staged.previous === current?.id) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot roll back app "${name}": no release before is known`, {
      hints: [shellCommand`holdfast app show ${name}`],
    })
  }
  const before = current === undefined ? '' : `; it ran ${current.image}, release ${current.id}`
  const {image} = await platform.rollback(app, staged.previous, (step, left) => onStep?.(step, `${left}${before}`))
  if (current === undefined) return {app: name, image}
  await platform.noteStaged(app, {...staged, previous: current.id})
  return {app: name, image, previous: current.id}
}

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
): Promise<{readonly app: string; readonly image: string}> {
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
  const {image} = await platform.release(app, {image: staged.cached, credentials: pullCredentials, onStep})
  return {app: name, image}
}
