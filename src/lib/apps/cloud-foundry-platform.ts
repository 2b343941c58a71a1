/**
 * The apps of a space of Cloud Foundry. What Holdfast has noted of an app is in its annotations, so that everybody who works on the space sees it.
 * Today's Cloud Foundry pins nothing and keeps the credentials of an image with the droplet: hence a package of its own with the pinned reference and the cache's credentials.
 */
import {
  annotateApp,
  type CloudFoundryApp,
  findApp,
  labelApp,
  listImageApps,
  listLabelledApps,
  readVariable,
  setVariable,
} from '../cloud-foundry/apps.ts'
import type {Controller} from '../cloud-foundry/controller.ts'
import {activeDeployment, type Deployment, setCurrentDroplet} from '../cloud-foundry/deployments.ts'
import {countInstances, type InstanceCounts} from '../cloud-foundry/instances.ts'
import {
  buildPackage,
  createPackage,
  currentDroplet,
  DEFAULT_STAGING_TIMEOUT_MS,
  newestPackageImage,
  readDropletOf,
} from '../cloud-foundry/releases.ts'
import {awaitOther, cancelOther, DEFAULT_ROLLOUT, type Rollout, type RolloutProgress, rollOut} from '../cloud-foundry/rollouts.ts'
import {type SurveyedApp, surveyApps} from '../cloud-foundry/survey.ts'
import type {CloudFoundryNetwork} from '../cloud-foundry/uaa.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StagedImageRecord} from '../records/store.ts'
import type {Platform, PlatformApp, Release, ReleaseRequest, ReleaseUnderWay} from './platform.ts'

const NOTE = {
  source: 'holdfast-source',
  sourceDigest: 'holdfast-source-digest',
  cached: 'holdfast-cached',
  stagedAt: 'holdfast-staged-at',
  previous: 'holdfast-previous',
} as const

/** The user's choice as lists can select it, `true` or `false`: reading the variables of an app is an event of its audit log, and not allowed to everybody. */
const OPT_IN_LABEL = 'holdfast-opt-in'

export interface CloudFoundryPlatformOptions {
  readonly controller: Controller
  readonly space: {readonly guid: string; readonly name: string}
  readonly organization: {readonly name: string}
  readonly network: Pick<CloudFoundryNetwork, 'now' | 'sleep'>
  readonly stagingTimeoutMs?: number | undefined
  /** How apps are moved to a release; as `DEFAULT_ROLLOUT` when absent. */
  readonly rollout?: Rollout | undefined
  /** Told how far a release has come that is waited for. */
  readonly onProgress?: ((progress: RolloutProgress) => void) | undefined
}

export function createCloudFoundryPlatform(options: CloudFoundryPlatformOptions): Platform {
  const {controller, space, organization, network, stagingTimeoutMs = DEFAULT_STAGING_TIMEOUT_MS, rollout = DEFAULT_ROLLOUT} = options
  const dependencies = {controller, waiting: network, onProgress: options.onProgress}
  /** What only this platform knows of the apps that it has answered. */
  const known = new WeakMap<PlatformApp, CloudFoundryApp>()
  /** What was read of several apps together. */
  const surveyed = new WeakMap<PlatformApp, SurveyedApp>()
  const describe = (app: CloudFoundryApp): PlatformApp => {
    const staged = readNote(app.annotations)
    const label = app.labels[OPT_IN_LABEL]
    const described: PlatformApp = {
      id: app.guid,
      name: app.name,
      ...(staged === undefined ? {} : {staged}),
      ...(label === 'true' || label === 'false' ? {hasOptedIn: label === 'true'} : {}),
      ...(app.runsImages ? {} : {isBuiltFromSource: true}),
    }
    known.set(described, app)
    return described
  }
  const appOf = async (app: PlatformApp): Promise<CloudFoundryApp> => known.get(app) ?? (await findApp(controller, space.guid, app.name))

  const assertRunsImages = ({name, runsImages}: CloudFoundryApp): void => {
    if (runsImages) return
    throw new HoldfastError('UNSUPPORTED', `cannot stage app "${name}": it is built from source code and runs no image`, {
      hints: [shellCommand`cf push ${name} --docker-image IMAGE`],
    })
  }

  const moveTo = async (
    app: CloudFoundryApp,
    droplet: {readonly guid: string; readonly image?: string},
    onStep: ReleaseRequest['onStep'],
  ): Promise<Release> => {
    const release = {id: droplet.guid, image: droplet.image ?? ''}
    if (app.isStarted) {
      const {strategy} = rollout
      if (strategy === 'recreate') {
        onStep?.(
          `stopping app "${app.name}", to start it with its release`,
          `app "${app.name}" may be stopped: ${shellCommand`cf start ${app.name}`}`,
        )
      } else {
        onStep?.(
          `${strategy} deployment of app "${app.name}"`,
          `the ${strategy} deployment of app "${app.name}" goes on at the platform, if it has begun: ${shellCommand`cf app ${app.name}`}`,
        )
      }
      const state = await rollOut(app, droplet.guid, rollout, dependencies)
      if (state !== 'done') return {...release, underWay: state === 'paused' ? 'paused' : 'deploying'}
    } else {
      onStep?.(
        `app "${app.name}" is stopped, and runs it when it is started: cf start ${app.name}`,
        `app "${app.name}" is stopped, and runs what it ran or its new release when it is started: cf app ${app.name}`,
      )
      await setCurrentDroplet(controller, app, droplet.guid)
    }
    return release
  }

  return {
    kind: 'cloud-foundry',
    description: `space "${space.name}" of org "${organization.name}" at ${new URL(controller.api).host}`,
    findApp: async (name) => describe(await findApp(controller, space.guid, name)),
    listApps: async () => (await listImageApps(controller, space.guid)).map(describe),
    async surveyApps() {
      const apps = await listImageApps(controller, space.guid)
      const survey = await surveyApps(controller, apps)
      return apps.map((app) => {
        const described = describe(app)
        surveyed.set(described, survey.get(app.guid) ?? {})
        return described
      })
    },
    async listAppsWithoutImage() {
      const apps = await listLabelledApps(controller, space.guid, OPT_IN_LABEL, 'true')
      return apps.filter(({runsImages}) => !runsImages).map(describe)
    },
    async markOptIn(app, hasOptedIn) {
      await labelApp(controller, await appOf(app), {[OPT_IN_LABEL]: String(hasOptedIn)})
    },
    readVariable: async (app, name) => await readVariable(controller, await appOf(app), name),
    setVariable: async (app, name, value) => await setVariable(controller, await appOf(app), name, value),
    async currentRelease(platformApp) {
      const app = await appOf(platformApp)
      assertRunsImages(app)
      const seen = surveyed.get(platformApp)
      const droplet = seen === undefined ? await currentDroplet(controller, app) : seen.droplet
      if (droplet?.image !== undefined) return {id: droplet.guid, image: droplet.image}
      const image = seen === undefined ? await newestPackageImage(controller, app) : seen.packageImage
      return image === undefined ? undefined : {id: '', image}
    },
    async settle(platformApp, onStep) {
      const app = await appOf(platformApp)
      const deployment = await activeDeployment(controller, app)
      if (deployment === undefined) return
      onStep?.(
        `waiting for the deployment of app "${app.name}" that is under way`,
        `the deployment of app "${app.name}" that was under way goes on at the platform, and nothing else was begun`,
      )
      await awaitOther(app, deployment, rollout, dependencies)
    },
    async releaseUnderWay(platformApp) {
      const app = await appOf(platformApp)
      const seen = surveyed.get(platformApp)
      if (seen !== undefined) return seen.deployment === undefined ? undefined : describeUnderWay(seen.deployment, undefined)
      const deployment = await activeDeployment(controller, app)
      if (deployment === undefined) return undefined
      const {webProcess} = deployment
      return describeUnderWay(deployment, webProcess === undefined ? undefined : await countInstances(controller, app, webProcess))
    },
    async cancelRelease(platformApp, onStep) {
      const app = await appOf(platformApp)
      const deployment = await activeDeployment(controller, app)
      if (deployment === undefined) return undefined
      onStep?.(
        `cancelling the deployment of app "${app.name}" that is under way`,
        `the deployment of app "${app.name}" that was under way may be cancelled: ${shellCommand`cf app ${app.name}`}`,
      )
      if (!(await cancelOther(app, deployment, rollout, dependencies))) return undefined
      const droplet = await currentDroplet(controller, app)
      return droplet === undefined ? undefined : {id: droplet.guid, image: droplet.image ?? ''}
    },
    async release(platformApp, {image, credentials, onStep}) {
      const app = await appOf(platformApp)
      assertRunsImages(app)
      const packageGuid = await createPackage(controller, app, image, credentials)
      onStep?.(
        `staging app "${app.name}"`,
        `app "${app.name}" runs what it ran; the package and the droplet that were begun for it stay at the platform, and nothing uses them`,
      )
      const guid = await buildPackage(controller, app, packageGuid, network, stagingTimeoutMs)
      return await moveTo(app, {guid, image}, onStep)
    },
    async rollback(platformApp, releaseId, onStep) {
      const app = await appOf(platformApp)
      return await moveTo(app, await readDropletOf(controller, app, releaseId), onStep)
    },
    async noteStaged(platformApp, staged) {
      await annotateApp(controller, await appOf(platformApp), writeNote(staged))
    },
    describeRelease: ({id, name}, image) => [
      `POST ${controller.api}/v3/packages for app "${name}" with image ${image}`,
      `POST ${controller.api}/v3/builds, and GET until it is staged`,
      rollout.strategy === 'recreate'
        ? `POST ${controller.api}/v3/apps/${id}/actions/stop, PATCH its current droplet, POST its start, and GET until it runs`
        : `POST ${controller.api}/v3/deployments (${rollout.strategy}) of app ${id}, and GET until it is deployed`,
    ],
    describeNote: ({id}) => `PATCH ${controller.api}/v3/apps/${id}: annotations ${Object.values(NOTE).join(', ')}`,
  }
}

function describeUnderWay({phase, error}: Deployment, instances: InstanceCounts | undefined): ReleaseUnderWay | undefined {
  if (phase !== 'deploying' && phase !== 'paused' && phase !== 'canceling') return undefined
  const isFailing = phase === 'deploying' && (error !== undefined || (instances?.crashed ?? 0) > 0)
  return {
    state: isFailing ? 'failing' : phase,
    ...(error === undefined ? {} : {error}),
    ...(instances === undefined ? {} : {instances}),
  }
}

function readNote(annotations: Readonly<Record<string, string>>): StagedImageRecord | undefined {
  const [source, sourceDigest, cached, stagedAt] = [NOTE.source, NOTE.sourceDigest, NOTE.cached, NOTE.stagedAt].map(
    (name) => annotations[name],
  )
  if (source === undefined || sourceDigest === undefined || cached === undefined || stagedAt === undefined) return undefined
  const previous = annotations[NOTE.previous]
  return {source, sourceDigest, cached, stagedAt, ...(previous === undefined ? {} : {previous})}
}

function writeNote(staged: StagedImageRecord | undefined): Readonly<Record<string, string | null>> {
  return Object.fromEntries(Object.entries(NOTE).map(([field, name]) => [name, staged?.[field as keyof StagedImageRecord] || null]))
}
