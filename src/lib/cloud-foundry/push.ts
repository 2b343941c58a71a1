/** An app as its manifest says, running what it was given: what `cf push --strategy rolling` does, in the same requests. */
import type {StepListener} from '../core/step.ts'
import {type CloudFoundryApp, findApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {setCurrentDroplet} from './deployments.ts'
import {applyManifest, readHealth, startApp, uploadFiles} from './manifests.ts'
import {buildPackage, type Credentials, createPackage, currentDroplet, DEFAULT_STAGING_TIMEOUT_MS, poll, type Waiting} from './releases.ts'
import {DEFAULT_ROLLOUT, type Rollout, rollOut} from './rollouts.ts'

/** What an app runs. */
type PushedContent =
  | {readonly kind: 'image'; readonly image: string; readonly credentials?: Credentials | undefined}
  | {readonly kind: 'files'; readonly zip: Uint8Array}

export interface Push {
  readonly name: string
  /** With its values filled in. */
  readonly manifest: string
  readonly content: PushedContent
}

export interface PushTarget {
  readonly controller: Controller
  readonly spaceGuid: string
  readonly waiting: Waiting
  readonly stagingTimeoutMs?: number | undefined
  /** How long instances may take to come up. */
  readonly deploymentTimeoutMs: number
  /** What becomes of a deployment that fails: what ran before is brought back, or all is left for people to look at. */
  readonly onFailure: 'cancel' | 'keep'
  readonly onStep?: StepListener | undefined
}

/**
 * Pushes an app; one that runs goes on running, instance by instance.
 * @throws {HoldfastError} STAGING_FAILED, TIMEOUT, PLATFORM_REFUSED, DENIED. With `cancel` the deployment was cancelled before, which `details.cancelled` says.
 */
export async function pushApp({name, manifest, content}: Push, target: PushTarget): Promise<CloudFoundryApp> {
  const {controller, spaceGuid, waiting, onStep} = target
  onStep?.(`applying the manifest of ${name}`, `app "${name}" may have its new manifest, and runs what it ran`)
  await applyManifest(controller, spaceGuid, manifest, waiting)
  const app = await findApp(controller, spaceGuid, name)
  onStep?.(`staging ${name}`, `app "${name}" has its new manifest, and runs what it ran`)
  const packageGuid =
    content.kind === 'image'
      ? await createPackage(controller, app, content.image, content.credentials)
      : await uploadFiles(controller, app, content.zip, waiting)
  const droplet = await buildPackage(controller, app, packageGuid, waiting, target.stagingTimeoutMs ?? DEFAULT_STAGING_TIMEOUT_MS)
  if (!app.isStarted || (await currentDroplet(controller, app)) === undefined) {
    onStep?.(`starting ${name}`, `app "${name}" may have its new release, and may start: cf app ${name}`)
    await setCurrentDroplet(controller, app, droplet)
    await startApp(controller, app)
    await awaitInstances(target, {...app, isStarted: true})
    return app
  }
  onStep?.(`rolling ${name}`, `the rolling deployment of app "${name}" goes on at the platform, if it has begun: cf app ${name}`)
  const rollout: Rollout = {...DEFAULT_ROLLOUT, timeoutMs: target.deploymentTimeoutMs, onFailure: target.onFailure}
  await rollOut(app, droplet, rollout, {controller, waiting})
  return app
}

async function awaitInstances({controller, waiting, deploymentTimeoutMs}: PushTarget, app: CloudFoundryApp): Promise<void> {
  await poll(`start app "${app.name}"`, waiting, deploymentTimeoutMs, async () => {
    const {running, instances} = await readHealth(controller, app)
    return running >= instances ? true : undefined
  })
}
