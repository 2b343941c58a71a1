/**
 * The apps of a space of Cloud Foundry. What a release is a copy of is in the annotations of its package and its droplet; what Holdfast notes of an app is in the app's own, so
 * that every user of the space sees it. Today's Cloud Foundry pins nothing and keeps the credentials of an image with the droplet: hence a package with the pinned
 * reference and the cache's credentials.
 */
import {
  annotateApp,
  type CloudFoundryApp,
  findApp,
  labelApp,
  listImageApps,
  listLabelledApps,
  readApp,
  readVariable,
  setVariable,
} from '../cloud-foundry/apps.ts'
import type {Controller} from '../cloud-foundry/controller.ts'
import {activeDeployment, type Deployment, setCurrentDroplet} from '../cloud-foundry/deployments.ts'
import {countInstances, type InstanceCounts} from '../cloud-foundry/instances.ts'
import {
  activeBuild,
  annotateDroplet,
  awaitBuild,
  buildPackage,
  createPackage,
  currentDroplet,
  DEFAULT_STAGING_TIMEOUT_MS,
  type Droplet,
  dropletsOf,
  findPackage,
  readDropletOf,
  recentPackages,
  renewPackage,
} from '../cloud-foundry/releases.ts'
import {
  awaitOther,
  cancelOther,
  DEFAULT_ROLLOUT,
  type Rollout,
  type RolloutProgress,
  type RolloutState,
  rollOut,
  startStopped,
} from '../cloud-foundry/rollouts.ts'
import {type SurveyedApp, surveyApps} from '../cloud-foundry/survey.ts'
import type {CloudFoundryNetwork} from '../cloud-foundry/uaa.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import {APP_NOTE, readAppNote, readCopy, writeAppNote, writeCopy} from './annotations.ts'
import type {Platform, PlatformApp, Release, ReleaseRequest, ReleaseUnderWay, UnderWay} from './platform.ts'
import {isToBeStarted} from './running.ts'

/** The user's choice as lists can select it, `true` or `false`: reading the variables of an app is an event of its audit log, and not allowed to every user. */
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
    const note = readAppNote(app.annotations)
    const label = app.labels[OPT_IN_LABEL]
    const described: PlatformApp = {
      id: app.guid,
      name: app.name,
      owner: `${new URL(controller.api).host}/${app.guid}`,
      ...(note === undefined ? {} : {note}),
      ...(label === 'true' || label === 'false' ? {hasOptedIn: label === 'true'} : {}),
      ...(app.runsImages ? {} : {isBuiltFromSource: true}),
      ...(app.isStarted ? {} : {isStopped: true}),
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

  /** The droplet's own annotations, else those of its package: `cf restage` builds our package again, and annotates nothing. */
  const releaseOf = async (
    app: CloudFoundryApp,
    {guid, image = '', annotations, packageGuid}: Droplet,
    seen?: SurveyedApp,
  ): Promise<Release> => {
    const own = readCopy(annotations)
    const staged = own ?? (await copyOfPackage(app, image, packageGuid, seen))
    return {id: guid, image, ...(staged === undefined ? {} : {staged})}
  }

  /** What the package of a droplet says. Copies are pinned: what is not is not asked about. */
  const copyOfPackage = async (app: CloudFoundryApp, image: string, packageGuid: string | undefined, seen: SurveyedApp | undefined) => {
    if (packageGuid === undefined || !image.includes('@')) return undefined
    const built = seen === undefined ? await findPackage(controller, app, packageGuid) : seen.dropletPackage
    return readCopy(built?.annotations ?? {})
  }

  const build = async (
    app: CloudFoundryApp,
    packageGuid: string,
    {image, staged, onStep}: Pick<ReleaseRequest, 'image' | 'staged' | 'onStep'>,
  ): Promise<Release> => {
    onStep?.(
      `staging app "${app.name}"`,
      `app "${app.name}" runs what it ran; the package and the build that were begun for it stay at the platform, and the next run goes on with them`,
    )
    const guid = await buildPackage(controller, app, packageGuid, network, stagingTimeoutMs)
    if (staged === undefined) return {id: guid, image}
    await annotateDroplet(controller, app, guid, writeCopy(staged))
    return {id: guid, image, staged}
  }

  /** A package that an interrupted run has made for the same copy, and that nothing was finished with; with credentials that are known to be today's. */
  const reusePackage = async (app: CloudFoundryApp, {image, staged, credentials}: ReleaseRequest): Promise<string | undefined> => {
    if (staged === undefined) return undefined
    const candidate = (await recentPackages(controller, app)).find((one) => {
      const noted = readCopy(one.annotations)
      return one.isReady && one.image === image && noted?.cached === staged.cached && noted.source === staged.source
    })
    if (candidate === undefined || (credentials === undefined && candidate.username !== undefined)) return undefined
    const droplets = await dropletsOf(controller, app, candidate.guid)
    if (droplets.some(({annotations}) => readCopy(annotations) !== undefined)) return undefined
    try {
      await renewPackage(controller, app, candidate.guid, credentials, writeCopy(staged))
      return candidate.guid
    } catch (error) {
      if (hasCode(error, 'PLATFORM_REFUSED') || hasCode(error, 'OBJECT_NOT_FOUND')) return undefined
      throw error
    }
  }

  return {
    kind: 'cloud-foundry',
    description: `space "${space.name}" of org "${organization.name}" at ${new URL(controller.api).host}`,
    space: `${organization.name}/${space.name}`,
    stopsApps: rollout.strategy === 'recreate',
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
      if (droplet?.image !== undefined) return await releaseOf(app, droplet, seen)
      const newest = seen === undefined ? (await recentPackages(controller, app))[0] : seen.newestPackage
      if (newest === undefined) return undefined
      const staged = readCopy(newest.annotations)
      return {id: '', image: newest.image, ...(staged === undefined ? {} : {staged})}
    },
    async findRelease(platformApp, releaseId) {
      const app = await appOf(platformApp)
      const droplet = await readDropletOf(controller, app, releaseId)
      const release = await releaseOf(app, droplet)
      const username = droplet.packageGuid === undefined ? undefined : (await findPackage(controller, app, droplet.packageGuid))?.username
      return {...release, ...(username === undefined ? {} : {pullsAs: username})}
    },
    async settle(platformApp, onStep) {
      const app = await appOf(platformApp)
      const building = await activeBuild(controller, app)
      if (building !== undefined) {
        onStep?.(
          `waiting for the build of app "${app.name}" that is under way`,
          `the build of app "${app.name}" that was under way goes on at the platform, and nothing else was begun`,
        )
        await awaitBuild(controller, app, building, network, stagingTimeoutMs)
      }
      const deployment = await activeDeployment(controller, app)
      if (deployment !== undefined) {
        onStep?.(
          `waiting for the deployment of app "${app.name}" that is under way`,
          `the deployment of app "${app.name}" that was under way goes on at the platform, and nothing else was begun: ${afterDeployment(app)}`,
        )
        await awaitOther(app, deployment, rollout, dependencies)
      }
      return building === undefined && deployment === undefined ? platformApp : describe(await readApp(controller, app))
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
      return droplet === undefined ? undefined : await releaseOf(app, droplet)
    },
    async prepare(platformApp, request) {
      const app = await appOf(platformApp)
      assertRunsImages(app)
      const packageGuid =
        (await reusePackage(app, request)) ??
        (await createPackage(controller, app, request.image, request.credentials, writeCopy(request.staged)))
      return await build(app, packageGuid, request)
    },
    async prepareAgain(platformApp, {id, image, staged}, onStep) {
      const app = await appOf(platformApp)
      const {packageGuid} = await readDropletOf(controller, app, id)
      if (packageGuid === undefined) {
        throw new HoldfastError('STAGING_FAILED', `cannot stage app "${app.name}": release ${id} does not tell what it was made of`)
      }
      return await build(app, packageGuid, {image, staged, onStep})
    },
    async activate(platformApp, {id}, onStep) {
      const app = await appOf(platformApp)
      const isCutOff = isToBeStarted(platformApp)
      if (!app.isStarted && !isCutOff) {
        onStep?.(
          `app "${app.name}" is stopped, and runs it when it is started: ${shellCommand`cf start ${app.name}`}`,
          `app "${app.name}" is stopped, and runs what it ran or its new release when it is started: ${shellCommand`cf app ${app.name}`}`,
        )
        await setCurrentDroplet(controller, app, id)
        return undefined
      }
      // What a move that was cut off has stopped has nothing to roll.
      const strategy = isCutOff ? 'recreate' : rollout.strategy
      if (strategy === 'recreate') {
        onStep?.(
          isCutOff
            ? `starting app "${app.name}", which a run that was cut off has stopped, with its release`
            : `stopping app "${app.name}", to start it with its release`,
          mayBeStopped(app),
        )
      } else {
        onStep?.(
          `${strategy} deployment of app "${app.name}"`,
          `the ${strategy} deployment of app "${app.name}" goes on at the platform, if it has begun: ${afterDeployment(app)}`,
        )
      }
      return describeState(await rollOut(app, id, {...rollout, strategy}, dependencies))
    },
    async start(platformApp, onStep) {
      const app = await appOf(platformApp)
      onStep?.(`starting app "${app.name}", which a run that was cut off has stopped`, mayBeStopped(app))
      return describeState(await startStopped(app, rollout, dependencies))
    },
    async mark(platformApp, releaseId, staged) {
      await annotateDroplet(controller, await appOf(platformApp), releaseId, writeCopy(staged))
    },
    async writeNote(platformApp, note) {
      await annotateApp(controller, await appOf(platformApp), writeAppNote(note))
    },
    describeRelease: ({id, name}, image) => [
      `POST ${controller.api}/v3/packages for app "${name}" with image ${image}`,
      `POST ${controller.api}/v3/builds, and GET until it is staged`,
      `PATCH ${controller.api}/v3/droplets/<guid>: annotations of a cached copy, if it is one`,
      rollout.strategy === 'recreate'
        ? `POST ${controller.api}/v3/apps/${id}/actions/stop, PATCH its current droplet, POST its start, and GET until it runs`
        : `POST ${controller.api}/v3/deployments (${rollout.strategy}) of app ${id}, and GET until it is deployed`,
    ],
    describeStart: ({id}) => [`POST ${controller.api}/v3/apps/${id}/actions/start, and GET until it runs`],
    describeNote: ({id}) => `PATCH ${controller.api}/v3/apps/${id}: annotations ${Object.values(APP_NOTE).join(', ')}`,
  }
}

function describeState(state: RolloutState): UnderWay | undefined {
  if (state === 'done') return undefined
  return state === 'paused' ? 'paused' : 'deploying'
}

/** What stays of an app when a run stops that has stopped it, and was to start it. */
function mayBeStopped({name}: CloudFoundryApp): string {
  return `app "${name}" may be stopped: the next ${shellCommand`holdfast stage ${name}`} starts it, and so does ${shellCommand`cf start ${name}`}`
}

/** What helps with a deployment that is no longer waited for. */
function afterDeployment({name}: CloudFoundryApp): string {
  return `${shellCommand`cf app ${name}`} shows it, ${shellCommand`cf cancel-deployment ${name}`} cancels it`
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
