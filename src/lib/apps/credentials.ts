/** Giving an app other credentials to pull its cached copy with. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import {parseReference, type Reference, type RegistryHost} from '../oci/reference.ts'
import {moveApp} from './move-app.ts'
import type {PlatformApp, UnderWay} from './platform.ts'
import {readRunning, releaseBefore, unknownSource} from './running.ts'
import type {StageDependencies} from './stage-app.ts'

export interface RotatedCredentials {
  readonly app: string
  readonly image: string
  /** Present when the app is still being moved. */
  readonly underWay?: UnderWay
}

type RotationDependencies = Pick<StageDependencies, 'platform' | 'registry' | 'findCopy' | 'pullCredentials' | 'assertPullable' | 'onStep'>

/**
 * Gives an app that runs from the cache other credentials to pull with; the image stays the same to the byte.
 * @throws {HoldfastError} OBJECT_NOT_FOUND for an app that runs nothing from the cache; CONFLICT for one that runs from another one; UNAUTHENTICATED, DENIED when the
 * credentials do not open it.
 */
export async function rotateCredentials(name: string, dependencies: RotationDependencies): Promise<RotatedCredentials> {
  const {platform, registry, pullCredentials, assertPullable, onStep} = dependencies
  const app = await platform.settle(await platform.findApp(name), onStep)
  const running = await readRunning(app, dependencies)
  if (running.kind === 'orphan') throw unknownSource('rotate the credentials of', app, running.image)
  if (running.kind !== 'copy') {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot rotate the credentials of app "${name}": it runs nothing from the cache`, {
      hints: [shellCommand`holdfast app show ${name}`],
    })
  }
  const {staged} = running
  const image = parseReference(staged.cached)
  assertInCache(app, image, registry)
  await assertPullable(image, pullCredentials).catch(withHintIfGone(`${shellCommand`holdfast stage ${name}`}   # puts the copy back`))
  const to = await platform.prepare(app, {image: staged.cached, staged, credentials: pullCredentials, onStep})
  // Going back means another image, not the old password.
  const underWay = await moveApp({app, running, to, previous: releaseBefore(running.release, app.note)}, platform, onStep)
  return {app: name, image: staged.cached, ...(underWay === undefined ? {} : {underWay})}
}

/** For a look at a copy: tells the command that helps where the cache does not have it any more. */
export function withHintIfGone(hint: string): (error: unknown) => never {
  return (error) => {
    if (!hasCode(error, 'MANIFEST_NOT_FOUND') && !hasCode(error, 'REPOSITORY_NOT_FOUND')) throw error
    throw new HoldfastError(error.code, error.message, {hints: [hint], details: error.details, cause: error})
  }
}

/**
 * Credentials of one cache are shown to no other: which registry an app names is written by others.
 * @throws {HoldfastError} CONFLICT
 */
export function assertInCache({name}: PlatformApp, image: Reference, registry: RegistryHost): void {
  if (image.registry === registry) return
  throw new HoldfastError('CONFLICT', `cannot give app "${name}" credentials of "${registry}": it runs from "${image.registry}"`, {
    hints: [shellCommand`--to ${image.registry}`],
  })
}
