/**
 * Random lives of an app: staged, refreshed, rolled back, pushed and restaged by other tools, on several machines, two at once, with builds and deployments that fail and runs
 * that stop at any request. Afterwards its user's image must come back, whatever happened.
 */
import assert from 'node:assert/strict'
import {hasCode} from '../../src/lib/core/errors.ts'
import {APP, type AppWorld, type Machine, newMachine, startAppWorlds} from './app-world.ts'
import {cfPush, cfRestage} from './fake-cf/other-tools.ts'

const SOURCES = ['origin.example.com/shop/web:v1', 'origin.example.com/shop/web:v2', 'origin.example.com/shop/other:v1'] as const
const MAX_STEPS = 12
/** A run makes some 20 requests at most. */
const MAX_REQUESTS_BEFORE_STOP = 22
/** Codes of runs that end without having reached their aim: the app runs one of the images that it could run. */
const EXPECTED_FAILURES = [
  'STAGING_FAILED',
  'DEPLOYMENT_CANCELLED',
  'INTERRUPTED',
  'OBJECT_NOT_FOUND',
  'UNAUTHENTICATED',
  'PLATFORM_REFUSED',
] as const

type Random = () => number

/** Mulberry32: the same seed, the same life. */
function createRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface AppCampaign {
  /** Lives one life; throws what it breaks, with the steps that led there. */
  live(seed: number): Promise<{readonly steps: readonly string[]}>
  close(): Promise<void>
}

export async function startAppCampaign(): Promise<AppCampaign> {
  const worlds = await startAppWorlds()
  return {
    async live(seed) {
      const life = new Life(await worlds.create(SOURCES[0]), createRandom(seed))
      try {
        await life.live()
      } catch (error) {
        throw new Error(`seed ${seed}, after ${life.steps.join(', ')}: ${error instanceof Error ? error.stack : String(error)}`, {
          cause: error,
        })
      }
      return life
    },
    close: worlds.close,
  }
}

class Life {
  readonly steps: string[] = []
  readonly #world: AppWorld
  readonly #random: Random
  /** What the user named last. */
  #named: string = SOURCES[0]

  constructor(world: AppWorld, random: Random) {
    this.#world = world
    this.#random = random
  }

  async live(): Promise<void> {
    const count = 1 + Math.floor(this.#random() * MAX_STEPS)
    for (let index = 0; index < count; index++) {
      await this.#step()
      await this.#assertShown()
    }
    await this.#optOut()
  }

  async #step(): Promise<void> {
    const world = this.#world
    const [name, step] = this.#choose<readonly [string, () => Promise<void>]>([
      ['stage', () => this.#run(() => world.stage())],
      ['stage --image', () => this.#stageImage()],
      ['stage --image', () => this.#stageImage()],
      ['refresh --stage', () => this.#refresh()],
      ['rollback', () => this.#rollBack(true)],
      ['rollback without credentials', () => this.#rollBack(false)],
      ['rotate', () => this.#rotate()],
      ['rotate, and the old password ends', () => this.#rotate().then(() => world.endPasswords())],
      ['cf push', () => this.#push()],
      ['cf restage', () => this.#restage()],
      ['opt out and stage', () => this.#optOut()],
      ['set-env', () => world.optIn('true')],
      ['another machine', () => this.#changeMachine()],
      ['a failing build, then', () => this.#spoil(() => world.foundation.failNextBuild('out of disk'))],
      ['a cancelled deployment, then', () => this.#spoil(() => world.foundation.cancelNextDeployment())],
      ['a run that stops', () => this.#stop()],
      ['two at once', () => this.#twoAtOnce()],
    ])
    this.steps.push(name)
    await step()
  }

  async #changeMachine(): Promise<void> {
    this.#world.machine = newMachine()
  }

  /** Something goes wrong with whatever is done next. */
  async #spoil(prepare: () => void): Promise<void> {
    prepare()
    await this.#any()
    this.#world.foundation.failNextBuild(undefined)
    this.#world.foundation.cancelNextDeployment(false)
  }

  async #stop(): Promise<void> {
    const {machine} = this.#world
    machine.requestsLeft = 1 + Math.floor(this.#random() * MAX_REQUESTS_BEFORE_STOP)
    machine.stopsBefore = this.#random() < 0.5
    this.steps.push(`after ${machine.requestsLeft}${machine.stopsBefore ? '' : ', unanswered'}`)
    await this.#any()
    machine.requestsLeft = Number.POSITIVE_INFINITY
  }

  async #twoAtOnce(): Promise<void> {
    const runs = [this.#world.machine, newMachine()].map((machine) => this.#anyOn(machine))
    await Promise.all(runs.map((run) => expectedFailure(run)))
    this.#named = this.#world.truth()
  }

  /** One run whose end is open: the app runs what it ran, or what the run was for; and there is a release to go back to. */
  async #any(): Promise<void> {
    const world = this.#world
    const [{guid: ran}, before] = [world.current(), await world.before()]
    await expectedFailure(this.#anyOn(world.machine))
    this.#named = world.truth()
    // An app that has opted out is let go, and keeps nothing to go back to.
    if (world.current().guid !== ran && world.hasOptedIn())
      assert.equal(await world.before(), this.steps.at(-1) === 'rotate' ? before : ran)
  }

  async #anyOn(machine: Machine): Promise<unknown> {
    const world = this.#world
    const source = this.#choose(SOURCES)
    const [name, run] = this.#choose<readonly [string, () => Promise<unknown>]>([
      ['stage', () => world.stage({}, machine)],
      [`stage --image ${source}`, () => world.stage({image: source}, machine)],
      [`refresh --stage, moved ${source}`, () => this.#moveAndStage(source, machine)],
      ['rollback', () => world.rollBack(true, machine)],
      ['rollback without credentials', () => world.rollBack(false, machine)],
      ['rotate', () => world.rotate(machine)],
    ])
    this.steps.push(name)
    return await run()
  }

  async #stageImage(): Promise<void> {
    const image = this.#choose(SOURCES)
    this.steps.push(image)
    await this.#run(async () => {
      await this.#world.stage({image})
      this.#named = image
    })
  }

  async #refresh(): Promise<void> {
    const source = this.#choose(SOURCES)
    this.steps.push(source)
    await this.#run(() => this.#moveAndStage(source, this.#world.machine))
  }

  #moveAndStage(source: string, machine: Machine): Promise<unknown> {
    this.#world.moveTag(source)
    return this.#world.stage({isRefresh: true}, machine)
  }

  /** Going back names the image of the release that it goes back to. */
  async #rollBack(hasCredentials: boolean): Promise<void> {
    const world = this.#world
    await this.#run(async () => {
      const [{guid}, before] = [world.current(), await world.before()]
      const {image, previous} = await world.rollBack(hasCredentials)
      assert.equal(image, world.foundation.state.droplets.find((droplet) => droplet.guid === before)?.image)
      assert.deepEqual([world.current().image, previous], [image, guid])
      this.#named = world.truth()
    })
  }

  async #rotate(): Promise<void> {
    const world = this.#world
    await this.#run(async () => {
      const {image} = world.current()
      const password = await world.rotate()
      assert.deepEqual([world.current().image, world.current().credentials?.password], [image, password])
    })
  }

  async #push(): Promise<void> {
    const image = this.#choose(SOURCES)
    this.steps.push(image)
    await cfPush(this.#world.foundation, APP, image)
    this.#named = image
  }

  async #restage(): Promise<void> {
    await cfRestage(this.#world.foundation, APP)
    this.#named = this.#world.truth()
  }

  /** From a machine that knows nothing: what the user named last comes back, and nothing of ours stays. */
  async #optOut(): Promise<void> {
    const world = this.#world
    await world.optIn(undefined)
    const {action, image} = await world.stage({}, newMachine())
    assert.deepEqual([world.current().image, image], [this.#named, this.#named], 'the user’s image is back')
    assert.ok(['none', 'uncached'].includes(action))
    assert.deepEqual([...world.foundation.app(APP).annotations], [])
    if (this.#random() < 0.7) await world.optIn('true')
  }

  /** A run that fails for a reason that is expected has changed nothing of what the user named. */
  async #run(run: () => Promise<unknown>): Promise<void> {
    await expectedFailure(run())
    assert.equal(this.#world.truth(), this.#named, 'the app runs what its user named, or a copy of it')
  }

  async #assertShown(): Promise<void> {
    const world = this.#world
    const {image, isCached, source} = await world.show()
    assert.deepEqual([image, isCached], [world.current().image, world.isCached()])
    if (!isCached) return
    assert.equal(source, world.truth())
    assert.ok(world.passwords.includes(world.current().credentials?.password ?? ''), 'its instances can pull it')
  }

  #choose<One>(all: readonly One[]): One {
    const one = all[Math.floor(this.#random() * all.length)]
    assert.ok(one !== undefined)
    return one
  }
}

async function expectedFailure(run: Promise<unknown>): Promise<void> {
  try {
    await run
  } catch (error) {
    if (!EXPECTED_FAILURES.some((code) => hasCode(error, code))) throw error
  }
}
