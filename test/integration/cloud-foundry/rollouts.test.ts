/** Moving apps to droplets at the fake foundation, on a clock that the waiting turns: no test takes time. */
import assert from 'node:assert/strict'
import {type CloudFoundryApp, findApp} from '../../../src/lib/cloud-foundry/apps.ts'
import {activeDeployment} from '../../../src/lib/cloud-foundry/deployments.ts'
import {
  awaitOther,
  cancelOther,
  DEFAULT_ROLLOUT,
  type Rollout,
  type RolloutDependencies,
  type RolloutProgress,
  rollOut,
} from '../../../src/lib/cloud-foundry/rollouts.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createFakeTime, type FakeTime, openFakeController} from '../../support/cf-controller.ts'
import {FakeCloudFoundry} from '../../support/fake-cf/fake-cf.ts'
import {noMetadata} from '../../support/fake-cf/state.ts'

const MINUTE_MS = 60_000

describe('an app that is moved to a droplet', () => {
  let foundation: FakeCloudFoundry
  let app: CloudFoundryApp
  let next: string
  let time: FakeTime
  let progress: RolloutProgress[]
  let dependencies: RolloutDependencies

  beforeEach(async () => {
    foundation = new FakeCloudFoundry({pollsUntilDone: 0})
    await foundation.start()
    const {spaceGuid} = foundation.addSpace('acme', 'dev')
    const made = await foundation.addApp(spaceGuid, {name: 'shop', instances: 3})
    foundation.state.droplets.push(
      ...['old', 'new'].map((guid) => ({
        guid,
        appGuid: made.guid,
        packageGuid: guid,
        image: `r/${guid}`,
        credentials: undefined,
        metadata: noMetadata(),
      })),
    )
    made.dropletGuid = 'old'
    made.instances = [0, 1, 2].map((index) => ({index, state: 'RUNNING' as const, image: 'r/old'}))
    foundation.deployments.behaviours.set('shop', 'RUNNING')
    next = 'new'
    time = createFakeTime()
    progress = []
    const controller = await openFakeController(foundation, time)
    dependencies = {controller, waiting: time, onProgress: (event) => void progress.push(event)}
    app = await findApp(controller, spaceGuid, 'shop')
  })
  afterEach(() => foundation.stop())

  const move = (rollout: Partial<Rollout> = {}) => rollOut(app, next, {...DEFAULT_ROLLOUT, ...rollout}, dependencies)
  const called = (method: string, path: RegExp) => foundation.requests.filter((one) => one.method === method && path.test(one.path))
  const cancellations = () => called('POST', /\/actions\/cancel$/).length
  const lastReason = () => foundation.state.deployments.at(-1)?.reason

  async function refusal(work: Promise<unknown>): Promise<HoldfastError> {
    try {
      await work
    } catch (error) {
      assert.ok(error instanceof HoldfastError, String(error))
      return error
    }
    assert.fail('it did not fail')
  }

  it('runs it when all its new instances run, and shows them as they come up', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    let polls = 0
    foundation.deployments.onPoll = () => {
      if (++polls === 3) foundation.deployments.behaviours.set('shop', 'RUNNING')
    }
    assert.equal(await move(), 'done')
    assert.equal(lastReason(), 'DEPLOYED')
    assert.deepEqual(
      progress.map(({phase, instances}) => [phase, instances]),
      [
        ['deploying', {running: 0, starting: 1, crashed: 0}],
        ['deployed', undefined],
      ],
    )
  })

  it('is left with what it ran when every new instance crashes: at once, by a cancelled deployment, with what the foundation says', async () => {
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    foundation.deployments.complaints.set('shop', 'insufficient resources: memory')
    const {code, message, hints, details} = await refusal(move())
    assert.equal(code, 'STAGING_FAILED')
    assert.equal(
      message,
      'cannot deploy app "shop": every new instance crashed: insufficient resources: memory; the deployment was cancelled, and what ran before runs again',
    )
    assert.deepEqual(hints, ['cf logs shop --recent', 'cf app shop'])
    assert.equal(details.cancelled, foundation.state.deployments[0]?.guid)
    assert.deepEqual([cancellations(), lastReason(), foundation.app('shop').dropletGuid], [1, 'CANCELED', 'old'])
    assert.ok(time.elapsedMs() < MINUTE_MS, `it took ${time.elapsedMs()} ms`)
    assert.deepEqual(progress[0], {
      app: 'shop',
      phase: 'deploying',
      instances: {running: 0, starting: 0, crashed: 1},
      error: 'insufficient resources: memory',
    })
  })

  it('is left with what it ran when no new instance runs in time', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    const {code, message, hints} = await refusal(move({timeoutMs: 2 * MINUTE_MS}))
    assert.equal(code, 'TIMEOUT')
    assert.match(message, /no further new instance ran in 2 min 0 s \(0 running, 1 starting, 0 crashed\); the deployment was cancelled/)
    assert.ok(hints.includes('--timeout 15m   # for instances that take longer'))
    assert.deepEqual([cancellations(), foundation.app('shop').dropletGuid], [1, 'old'])
    assert.ok(time.elapsedMs() >= 1.9 * MINUTE_MS && time.elapsedMs() < 3 * MINUTE_MS, `it took ${time.elapsedMs()} ms`)
  })

  it('is not cancelled while one instance after the other comes up, however long all of them take together', async () => {
    foundation.app('shop').wantedInstances = 8
    foundation.deployments.behaviours.set('shop', 'STARTING')
    let runsAtMs = 0
    foundation.deployments.onPoll = (deployment) => {
      const isUp = time.elapsedMs() >= runsAtMs + MINUTE_MS
      if (!isUp) return
      runsAtMs = time.elapsedMs()
      const {instances} = deployment.webProcess
      const index = instances.findIndex(({state}) => state === 'STARTING')
      if (index >= 0) instances[index] = {index, state: 'RUNNING', image: ''}
    }
    assert.equal(await move({timeoutMs: 2 * MINUTE_MS}), 'done')
    assert.ok(time.elapsedMs() > 6 * MINUTE_MS, `it took ${time.elapsedMs()} ms`)
    assert.equal(cancellations(), 0)
  })

  it('is told what needs less room when the quota of its space stops the deployment that has begun', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    foundation.deployments.complaints.set('shop', 'memory space_quota_exceeded')
    const {message, hints} = await refusal(move({maxInFlight: 2}))
    assert.match(message, /memory space_quota_exceeded; the deployment was cancelled/)
    assert.deepEqual(
      hints.slice(0, 2).map((hint) => hint.split('   #')[0]),
      ['--max-in-flight 1', '--strategy recreate'],
    )
  })

  it('is left as it is where a deployment that fails is to be kept', async () => {
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    const {message} = await refusal(move({onFailure: 'keep'}))
    assert.match(message, /the deployment was left as it is$/)
    assert.deepEqual([cancellations(), lastReason()], [0, 'DEPLOYING'])
  })

  it('is reported as cancelled when another user cancelled it, and as replaced when another deployment was begun', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    foundation.deployments.onPoll = (deployment) => {
      if (deployment.reason === 'DEPLOYING') foundation.deployments.cancel(deployment)
    }
    const cancelled = await refusal(move())
    assert.equal(cancelled.code, 'DEPLOYMENT_CANCELLED')
    assert.match(cancelled.message, /another user cancelled the deployment/)
    assert.equal(cancellations(), 0)
    foundation.deployments.onPoll = (deployment) => {
      if (deployment.value === 'ACTIVE') Object.assign(deployment, {value: 'FINALIZED', reason: 'SUPERSEDED'})
    }
    const replaced = await refusal(move())
    assert.equal(replaced.code, 'DEPLOYMENT_CANCELLED')
    assert.match(replaced.message, /another deployment has taken the place of this one/)
  })

  it('runs it when the deployment is done at the moment in which it is given up', async () => {
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    const real = foundation.deployments.cancel.bind(foundation.deployments)
    foundation.deployments.cancel = (deployment) => {
      Object.assign(deployment, {value: 'FINALIZED', reason: 'DEPLOYED'})
      real(deployment)
    }
    assert.equal(await move(), 'done')
  })

  it('has as many instances started at a time as told, and is paused after one by a canary deployment', async () => {
    assert.equal(await move({maxInFlight: 2}), 'done')
    assert.deepEqual(JSON.parse(called('POST', /\/v3\/deployments$/)[0]?.body ?? '').options, {max_in_flight: 2})
    foundation.app('shop').dropletGuid = 'old'
    assert.equal(await move({strategy: 'canary'}), 'paused')
    assert.deepEqual([lastReason(), foundation.state.deployments.at(-1)?.webProcess.instances.length], ['PAUSED', 1])
    const paused = await activeDeployment(dependencies.controller, app)
    assert.equal(paused?.phase, 'paused')
    const {code, hints} = await refusal(awaitOther(app, paused, DEFAULT_ROLLOUT, dependencies))
    assert.deepEqual([code, hints], ['CONFLICT', ['cf continue-deployment shop', 'holdfast rollback shop', 'cf cancel-deployment shop']])
    foundation.deployments.continue(foundation.deployments.find(paused.guid))
    await awaitOther(app, paused, DEFAULT_ROLLOUT, dependencies)
    assert.equal(lastReason(), 'DEPLOYED')
  })

  it('is waited for until the first new instance runs where the rest may follow', async () => {
    foundation.deployments.behaviours.set('shop', (index) => (index === 0 ? 'RUNNING' : 'STARTING'))
    assert.equal(await move({waitsFor: 'first'}), 'under-way')
    assert.equal(lastReason(), 'DEPLOYING')
  })

  for (const {title, set, rollout, hint, message} of [
    {
      title: 'a strategy that the API does not know',
      set: () => {
        foundation.deployments.strategies = ['rolling']
      },
      rollout: {strategy: 'canary'},
      hint: '--strategy rolling',
      message: /Strategy 'canary' is not a supported deployment strategy/,
    },
    {
      title: '--max-in-flight at an API that knows no options',
      set: () => {
        foundation.deployments.takesOptions = false
      },
      rollout: {maxInFlight: 2},
      hint: 'the same command without --max-in-flight: one new instance at a time',
      message: /Unknown field\(s\): 'options'/,
    },
    {
      title: 'a deployment for which the quota of the space has no room',
      set: () => {
        foundation.deployments.instanceQuota = 3
      },
      rollout: {maxInFlight: 3},
      hint: '--max-in-flight 1   # needs room for one instance more',
      message: /space_quota_exceeded/,
    },
  ] as const) {
    it(`is not moved in another way than it was told to: ${title} is refused, with what helps`, async () => {
      set()
      const error = await refusal(move(rollout))
      assert.equal(error.code, 'PLATFORM_REFUSED')
      assert.match(error.message, message)
      assert.equal(error.hints[0], hint)
      assert.deepEqual([foundation.state.deployments.length, foundation.app('shop').dropletGuid], [0, 'old'])
    })
  }

  it('is not moved by a foundation that ignores the strategy', async () => {
    const add = foundation.deployments.add.bind(foundation.deployments)
    foundation.deployments.add = (one, droplet, body) => add(one, droplet, {...body, strategy: 'rolling'})
    const {code, message} = await refusal(move({strategy: 'canary'}))
    assert.equal(code, 'PLATFORM_REFUSED')
    assert.match(message, /the foundation ignores the strategy "canary"; the deployment was cancelled/)
    assert.deepEqual([cancellations(), foundation.app('shop').dropletGuid], [1, 'old'])
  })

  it('is stopped and started by recreate, in a space without room for one instance more', async () => {
    foundation.deployments.instanceQuota = 3
    const {hints} = await refusal(move())
    assert.ok(hints.some((hint) => hint.startsWith('--strategy recreate')))
    foundation.startAs('shop', 'RUNNING')
    assert.equal(await move({strategy: 'recreate'}), 'done')
    const {state, dropletGuid, instances} = foundation.app('shop')
    assert.deepEqual([state, dropletGuid, instances.length], ['STARTED', 'new', 3])
    assert.equal(foundation.state.deployments.length, 0)
  })

  it('is started with what it ran when it crashes after recreate', async () => {
    foundation.startAs('shop', 'CRASHED')
    const {code, message, hints} = await refusal(move({strategy: 'recreate'}))
    assert.equal(code, 'STAGING_FAILED')
    assert.match(message, /every instance of its process "web" crashed; what ran before was started again$/)
    assert.deepEqual(hints, ['cf logs shop --recent', 'cf app shop'])
    assert.deepEqual([foundation.app('shop').state, foundation.app('shop').dropletGuid], ['STARTED', 'old'])
  })

  it('is done when its other processes run too, and says which one crashed', async () => {
    const worker = (state: 'RUNNING' | 'CRASHED') => [{guid: 'worker', type: 'worker', instances: [{index: 0, state, image: ''}]}]
    foundation.app('shop').processes = worker('RUNNING')
    assert.equal(await move(), 'done')
    assert.deepEqual(progress.at(-1), {app: 'shop', phase: 'starting', process: 'worker', instances: {running: 1, starting: 0, crashed: 0}})
    foundation.app('shop').processes = worker('CRASHED')
    const {code, message, hints} = await refusal(move())
    assert.equal(code, 'STAGING_FAILED')
    assert.match(message, /every instance of its process "worker" crashed; the app has its new release, which was not taken back$/)
    assert.deepEqual(hints, ['cf logs shop --recent', 'cf app shop', 'holdfast rollback shop'])
  })

  it('waits no longer than told for the deployment of another user, and does not touch it', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    foundation.deployments.add(foundation.app('shop'), foundation.state.droplets[1] ?? assert.fail(), {})
    const other = (await activeDeployment(dependencies.controller, app)) ?? assert.fail()
    const {code, hints} = await refusal(awaitOther(app, other, {timeoutMs: MINUTE_MS}, dependencies))
    assert.equal(code, 'TIMEOUT')
    assert.deepEqual(hints.slice(0, 2), ['holdfast rollback shop', 'cf cancel-deployment shop'])
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    assert.equal((await refusal(awaitOther(app, other, DEFAULT_ROLLOUT, dependencies))).code, 'STAGING_FAILED')
    assert.deepEqual([cancellations(), lastReason()], [0, 'DEPLOYING'])
  })

  it('is cancelled at once, whatever its new instances do, and a deployment that is over is left alone', async () => {
    foundation.deployments.behaviours.set('shop', 'STARTING')
    foundation.deployments.add(foundation.app('shop'), foundation.state.droplets[1] ?? assert.fail(), {})
    const other = (await activeDeployment(dependencies.controller, app)) ?? assert.fail()
    assert.equal(await cancelOther(app, other, DEFAULT_ROLLOUT, dependencies), true)
    assert.deepEqual([cancellations(), lastReason(), foundation.app('shop').dropletGuid], [1, 'CANCELED', 'old'])
    assert.ok(time.elapsedMs() < MINUTE_MS)
  })

  it('is not said to be back where it was when the deployment was done before it could be cancelled', async () => {
    foundation.deployments.add(foundation.app('shop'), foundation.state.droplets[1] ?? assert.fail(), {})
    const other = (await activeDeployment(dependencies.controller, app)) ?? assert.fail()
    await foundation.deployments.poll(foundation.deployments.find(other.guid))
    assert.equal(await cancelOther(app, other, DEFAULT_ROLLOUT, dependencies), false)
    assert.deepEqual([lastReason(), foundation.app('shop').dropletGuid], ['DEPLOYED', 'new'])
  })

  it('is not awaited for ever when the foundation does not end what it was told to cancel', async () => {
    foundation.deployments.behaviours.set('shop', 'CRASHED')
    foundation.deployments.onPoll = (deployment) => {
      if (deployment.reason === 'CANCELING') deployment.pollsLeft = 1
    }
    const {message} = await refusal(move())
    assert.match(message, /the foundation was told to cancel the deployment, and brings back what ran before$/)
  })
})
