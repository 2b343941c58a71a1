/**
 * Deployments of the fake foundation, as the Cloud Controller's updater does them: a new web process beside the old one, one step each time that the deployment is asked for.
 * Tests say how new instances behave, what the updater complains of, and what the API and the space's quota allow.
 */
import {randomUUID} from 'node:crypto'
import {notFound, unprocessable} from './errors.ts'
import type {Instance} from './instances.ts'
import type {App, Deployment, Droplet, State} from './state.ts'

const DEFAULT_POLLS = 2

/** What the foundation lends: its cells. */
interface Cells {
  readonly state: State
  readonly pollsUntilDone: number | undefined
  readonly start: (app: App, index: number) => Promise<Instance>
  readonly end: (instance: Instance) => Promise<void>
}

/** How new instances behave: they pull their image and run, or stay in a state, which may go by their index. */
type Behaviour = 'pulls' | Instance['state'] | ((index: number) => Instance['state'])

export class Deployments {
  /** Strategies that the API takes. */
  strategies: readonly string[] = ['rolling', 'canary']
  /** Whether it takes `options`: older ones know none. */
  takesOptions = true
  /** Instances that the space may have in all; undefined for any number. */
  instanceQuota: number | undefined
  /** Of new instances, by app. */
  readonly behaviours = new Map<string, Behaviour>()
  /** What the updater complains of, by app. */
  readonly complaints = new Map<string, string>()
  /** Called each time that a deployment is asked for, before it is answered. */
  onPoll: (deployment: Deployment) => void = () => {}
  readonly #cells: Cells

  constructor(cells: Cells) {
    this.#cells = cells
  }

  find(guid: string | undefined): Deployment {
    const deployment = this.#cells.state.deployments.find((one) => one.guid === guid)
    if (deployment === undefined) throw notFound('Deployment')
    return deployment
  }

  active({guid}: App): Deployment | undefined {
    return this.#cells.state.deployments.find(({appGuid, value}) => appGuid === guid && value === 'ACTIVE')
  }

  add(app: App, droplet: Droplet, body: Readonly<Record<string, unknown>>): Deployment {
    const {strategy = 'rolling', options} = body
    if (!this.strategies.includes(String(strategy))) throw unprocessable(`Strategy '${strategy}' is not a supported deployment strategy`)
    if (options !== undefined && !this.takesOptions) throw unprocessable("Unknown field(s): 'options'")
    const maxInFlight: unknown = Reflect.get(Object(options), 'max_in_flight') ?? 1
    if (!Number.isInteger(maxInFlight) || Number(maxInFlight) < 1) throw unprocessable('Max in flight must be an integer greater than 0')
    if (app.state !== 'STARTED') throw unprocessable('Cannot create a deployment for a STOPPED app.')
    const inFlight = strategy === 'canary' ? 1 : Math.min(Number(maxInFlight), app.wantedInstances)
    const others = this.#cells.state.apps.filter((one) => one.spaceGuid === app.spaceGuid && one.state === 'STARTED')
    const used = others.reduce((sum, one) => sum + one.wantedInstances, 0)
    if (this.instanceQuota !== undefined && used + inFlight > this.instanceQuota) {
      throw unprocessable(
        "memory space_quota_exceeded for space dev. This space's quota may not be large enough to support rolling deployments or your configured max-in-flight.",
      )
    }
    const before = this.active(app)
    if (before !== undefined) Object.assign(before, {value: 'FINALIZED', reason: 'SUPERSEDED'})
    const deployment: Deployment = {
      guid: randomUUID(),
      appGuid: app.guid,
      dropletGuid: droplet.guid,
      previousDropletGuid: app.dropletGuid,
      value: 'ACTIVE',
      reason: 'DEPLOYING',
      pollsLeft: this.#cells.pollsUntilDone ?? DEFAULT_POLLS,
      createdAt: new Date().toISOString(),
      strategy: String(strategy),
      maxInFlight: Number(maxInFlight),
      isContinued: strategy !== 'canary',
      webProcess: {guid: randomUUID(), instances: []},
    }
    app.dropletGuid = droplet.guid
    this.#cells.state.deployments.push(deployment)
    return deployment
  }

  /** Goes on with a deployment by one step. */
  async poll(deployment: Deployment): Promise<void> {
    this.onPoll(deployment)
    const app = this.#cells.state.apps.find(({guid}) => guid === deployment.appGuid)
    if (app === undefined || deployment.value !== 'ACTIVE' || deployment.reason === 'PAUSED' || deployment.pollsLeft-- > 0) return
    if (deployment.reason === 'CANCELING') {
      for (const one of deployment.webProcess.instances) await this.#cells.end(one)
      deployment.webProcess.instances = []
      while (app.instances.length < app.wantedInstances) app.instances.push(await this.#cells.start(app, app.instances.length))
      delete deployment.error
      Object.assign(deployment, {value: 'FINALIZED', reason: 'CANCELED'})
      return
    }
    const complaint = this.complaints.get(app.name)
    if (complaint !== undefined) deployment.error = complaint
    else delete deployment.error
    await this.#scale(app, deployment)
  }

  /** New instances come up, so many at a time; for each one that runs an old one ends. */
  async #scale(app: App, deployment: Deployment): Promise<void> {
    const {webProcess} = deployment
    const wanted = deployment.isContinued ? app.wantedInstances : 1
    const notRunning = webProcess.instances.filter(({state}) => state !== 'RUNNING')
    for (const one of notRunning) webProcess.instances.splice(webProcess.instances.indexOf(one), 1)
    const running = webProcess.instances.length
    const target = Math.min(wanted, running + deployment.maxInFlight)
    for (let index = running; index < target; index++) {
      const instance = await this.#begin(app, index)
      webProcess.instances.push(instance)
      if (instance.state !== 'RUNNING' || !deployment.isContinued) continue
      const old = app.instances.shift()
      if (old !== undefined) await this.#cells.end(old)
    }
    if (webProcess.instances.length < wanted || webProcess.instances.some(({state}) => state !== 'RUNNING')) {
      // As fast as may be: what is counted in polls is only when it begins.
      if (webProcess.instances.every(({state}) => state === 'RUNNING')) await this.#scale(app, deployment)
      return
    }
    if (!deployment.isContinued) {
      deployment.reason = 'PAUSED'
      return
    }
    for (const one of app.instances) await this.#cells.end(one)
    app.instances = webProcess.instances
    Object.assign(deployment, {value: 'FINALIZED', reason: 'DEPLOYED'})
  }

  async #begin(app: App, index: number): Promise<Instance> {
    const behaviour = this.behaviours.get(app.name) ?? 'pulls'
    if (behaviour === 'pulls') return await this.#cells.start(app, index)
    return {index, state: typeof behaviour === 'string' ? behaviour : behaviour(index), image: ''}
  }

  cancel(deployment: Deployment): void {
    if (deployment.value !== 'ACTIVE')
      throw unprocessable(`Cannot cancel a deployment with status: ${deployment.value} and reason: ${deployment.reason}`)
    const app = this.#cells.state.apps.find(({guid}) => guid === deployment.appGuid)
    if (app !== undefined) app.dropletGuid = deployment.previousDropletGuid
    deployment.reason = 'CANCELING'
    deployment.pollsLeft = 0
  }

  continue(deployment: Deployment): void {
    if (deployment.reason !== 'PAUSED')
      throw unprocessable(`Cannot continue a deployment with status: ${deployment.value} and reason: ${deployment.reason}`)
    deployment.isContinued = true
    deployment.reason = 'DEPLOYING'
  }

  /** The instances of a process by its GUID: the web process of an app, one that a deployment made, or another one of an app. */
  statsOf(guid: string | undefined): object {
    const {apps, deployments} = this.#cells.state
    const made = deployments.find(({webProcess, value}) => webProcess.guid === guid && value === 'ACTIVE')
    const app = apps.find((one) => one.guid === guid)
    const other = apps.flatMap(({processes}) => processes ?? []).find((one) => one.guid === guid)
    if (made !== undefined) return stats('web', made.webProcess.instances)
    if (app !== undefined) return stats('web', app.instances)
    if (other !== undefined) return stats(other.type, other.instances)
    throw notFound('Process')
  }
}

function stats(type: string, instances: readonly Instance[]): object {
  return {resources: instances.map(({index, state, reason}) => ({type, index, state, details: reason ?? null, uptime: 1}))}
}
