/** Apps of Cloud Foundry when something goes wrong between two calls: nothing that its user named is lost, and nothing is changed before it is known to work. */
import assert from 'node:assert/strict'
import type {StageDependencies} from '../../../src/lib/apps/stage-app.ts'
import {DEFAULT_ROLLOUT} from '../../../src/lib/cloud-foundry/rollouts.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {APP, type AppWorld, type AppWorlds, CACHE, newMachine, startAppWorlds} from '../../support/app-world.ts'
import {cfPush, cfRestage} from '../../support/fake-cf/other-tools.ts'

const ONE = 'origin.example.com/shop/web:v1'
const TWO = 'origin.example.com/shop/web:v2'

describe('an app of Cloud Foundry', () => {
  let worlds: AppWorlds
  let world: AppWorld

  before(async () => {
    worlds = await startAppWorlds()
  })
  after(() => worlds.close())
  beforeEach(async () => {
    world = await worlds.create(ONE)
  })

  const post = (path: string) => world.foundation.requests.filter(({method, path: asked}) => method === 'POST' && asked === path).length
  const rolling = async (work: () => Promise<unknown>) => {
    world.rollout = DEFAULT_ROLLOUT
    await work()
  }
  const optOut = async () => {
    await world.optIn(undefined)
    return await world.stage({}, newMachine())
  }

  it('tells what it runs is a copy of on its package and its droplet, in the same words', async () => {
    await world.stage()
    const {metadata, packageGuid} = world.current()
    const made = world.foundation.state.packages.find(({guid}) => guid === packageGuid)
    assert.equal(metadata.annotations.get('holdfast-source'), ONE)
    assert.deepEqual(metadata.annotations, made?.metadata.annotations)
  })

  it('is still told from its source when its annotations are lost, and its package too', async () => {
    await world.stage()
    world.foundation.app(APP).annotations.clear()
    world.foundation.state.packages.length = 0
    assert.deepEqual(await world.show().then(({isCached, source}) => [isCached, source]), [true, ONE])
    assert.equal((await optOut()).image, ONE)
  })

  for (const [title, goWrong] of [
    [
      'staging failed',
      async () => {
        world.foundation.failNextBuild('out of disk')
        await assert.rejects(world.stage({image: TWO}), (error) => hasCode(error, 'STAGING_FAILED'))
      },
    ],
    [
      'another user cancelled the deployment',
      async () => {
        world.foundation.cancelNextDeployment()
        await assert.rejects(world.stage({image: TWO}), (error) => hasCode(error, 'DEPLOYMENT_CANCELLED'))
      },
    ],
    ['it was rolled back and on again', () => world.rollBack(true).then(() => world.rollBack(true))],
    ['cf restaged it', () => cfRestage(world.foundation, APP)],
    [
      'two machines staged at once',
      () => Promise.allSettled([world.stage({isRefresh: true}), world.stage({isRefresh: true}, newMachine())]),
    ],
    ['its credentials were rotated', () => world.rotate()],
  ] as const) {
    it(`is shown as a copy, refreshed, rotated and given its image back by a machine that knows nothing, after ${title}`, async () => {
      await world.stage()
      world.moveTag(ONE)
      await goWrong()
      assert.deepEqual(await world.show().then(({isCached, source}) => [isCached, source]), [true, ONE])
      world.machine = newMachine()
      await world.rotate()
      assert.equal((await world.stage({isRefresh: true})).source, ONE)
      assert.equal(world.truth(), ONE)
      assert.deepEqual([(await optOut()).image, world.current().image], [ONE, ONE])
      assert.deepEqual([...world.foundation.app(APP).annotations], [])
    })
  }

  it('runs what cf pushed, and is staged from that', async () => {
    await world.stage()
    await cfPush(world.foundation, APP, TWO)
    assert.deepEqual(await world.show().then(({isCached, image}) => [isCached, image]), [false, TWO])
    assert.equal((await world.stage()).source, TWO)
    assert.equal((await optOut()).image, TWO)
  })

  it('tells its source after another tool has gone back, and is rolled back to what it ran before that', async () => {
    await world.stage()
    const {guid: copy} = world.current()
    await world.stage({image: TWO})
    const {guid: ran} = world.current()
    world.foundation.app(APP).dropletGuid = copy
    assert.deepEqual(await world.show().then(({source, previous}) => [source, previous]), [ONE, ran])
    await world.rollBack(true)
    assert.equal(world.truth(), TWO)
  })

  it('is not staged from a copy that is named as its image', async () => {
    await world.stage()
    const {image} = world.current()
    await assert.rejects(
      world.stage({image}, newMachine()),
      (error) => hasCode(error, 'USAGE') && error.message.endsWith(`copy of "${ONE}"`),
    )
  })

  it('is an error when it runs a copy of something unknown: its image does not come back by itself, and it is not cached again', async () => {
    await world.stage()
    const {image = ''} = world.current()
    await cfPush(world.foundation, APP, image)
    world.foundation.state.packages.at(-1)?.metadata.annotations.clear()
    world.foundation.app(APP).annotations.clear()
    world.machine = newMachine()
    for (const prepare of [async () => {}, () => world.optIn(undefined)]) {
      await prepare()
      await assert.rejects(
        world.stage(),
        (error) => hasCode(error, 'SOURCE_UNKNOWN') && error.hints[0]?.includes('stage shop --image') === true,
      )
      assert.equal(world.current().image, image)
    }
    assert.equal((await world.stage({image: ONE})).image, ONE)
    assert.equal(world.current().image, ONE)
  })

  it('keeps its annotations until its user’s image runs', async () => {
    await world.stage()
    await world.optIn(undefined)
    world.foundation.failNextBuild('out of disk')
    await assert.rejects(world.stage({}, newMachine()), (error) => hasCode(error, 'STAGING_FAILED'))
    assert.equal(world.foundation.app(APP).annotations.get('holdfast-source'), ONE)
    assert.equal((await world.stage({}, newMachine())).image, ONE)
  })

  it('is noted as staged only when the deployment is done; before it the note says what is going on', async () => {
    world.foundation.cancelNextDeployment()
    await assert.rejects(world.stage())
    const {annotations} = world.foundation.app(APP)
    assert.deepEqual([annotations.has('holdfast-source'), annotations.has('holdfast-pending-release')], [false, true])
    await world.stage()
    assert.deepEqual([annotations.get('holdfast-source'), annotations.has('holdfast-pending-release')], [ONE, false])
  })

  it('of an older version tells its source from the app’s note, which is written on its release before the next one', async () => {
    await world.stage()
    const {metadata, packageGuid, guid} = world.current()
    const made = world.foundation.state.packages.find((one) => one.guid === packageGuid)
    for (const {annotations} of [metadata, made?.metadata ?? metadata]) annotations.clear()
    world.foundation.app(APP).annotations.delete('holdfast-release')
    world.machine = newMachine()
    await world.stage({image: TWO})
    assert.equal(world.current().image === undefined, false)
    assert.equal((await world.rollBack(true)).previous === guid, false)
    assert.equal(world.truth(), ONE)
    assert.equal((await optOut()).image, ONE)
  })

  describe('whose copy is gone from the cache', () => {
    beforeEach(async () => {
      await world.stage()
      world.contents.clear()
    })

    it('gets it back under the same name, and is not moved', async () => {
      const {guid, image = ''} = world.current()
      const {calls = []} = await world.stage({isDryRun: true})
      assert.match(calls.join('\n'), /^copy origin\.example\.com\/shop\/web@sha256:.* which is gone from the cache$/)
      assert.equal(world.contents.size, 0)
      assert.partialDeepStrictEqual(await world.stage(), {action: 'unchanged', image, isRestored: true})
      assert.deepEqual([world.contents.get(image), world.current().guid], [ONE, guid])
      assert.equal((await world.stage()).isRestored, undefined)
    })

    it('is moved to another one of the same digest by a machine that does not know its name', async () => {
      const {guid, image = ''} = world.current()
      const {action, source, image: cached = ''} = await world.stage({}, newMachine())
      assert.deepEqual([action, source, cached === image, world.current().image], ['cached', ONE, false, cached])
      assert.equal(cached.split('@')[1], image.split('@')[1])
      assert.notEqual(world.current().guid, guid)
    })

    it('is an error that names what helps, when the source does not have the digest any more', async () => {
      world.moveTag(ONE)
      await assert.rejects(world.stage(), (error) => {
        assert.ok(hasCode(error, 'MANIFEST_NOT_FOUND'))
        assert.match(error.message, /^cannot put the copy of app "shop" back: "cache\..*" is gone from the cache, and cannot find "/)
        assert.equal(error.hints[0], `holdfast stage shop --image ${ONE}   # takes what it names now`)
        return true
      })
      assert.equal((await world.stage({image: ONE})).action, 'cached')
    })

    it('is only warned of when the cache cannot be read', async () => {
      const warnings: string[] = []
      const {stageApp} = await import('../../../src/lib/apps/stage-app.ts')
      const dependencies = {
        ...world.dependencies(world.machine),
        isThere: async () => {
          throw new HoldfastError('NETWORK', 'no answer')
        },
        onWarning: (message: string) => void warnings.push(message),
      }
      assert.equal((await stageApp(APP, {}, dependencies)).action, 'unchanged')
      assert.deepEqual(warnings, ['cannot look whether the copy of app "shop" is still in the cache: no answer'])
    })

    it('names the command that puts it back when its credentials are to be rotated, and when it is what a rollback goes to', async () => {
      const dependencies = (): StageDependencies => ({
        ...world.dependencies(world.machine),
        assertPullable: async () => {
          throw new HoldfastError('MANIFEST_NOT_FOUND', 'it is not there')
        },
      })
      const {rotateCredentials} = await import('../../../src/lib/apps/credentials.ts')
      const {rollBackApp} = await import('../../../src/lib/apps/rollback-app.ts')
      await assert.rejects(rotateCredentials(APP, dependencies()), (error) => {
        assert.ok(hasCode(error, 'MANIFEST_NOT_FOUND'))
        assert.deepEqual(error.hints, ['holdfast stage shop   # puts the copy back'])
        return true
      })
      await world.stage({image: TWO})
      await assert.rejects(rollBackApp(APP, {...dependencies(), openRegistry: async () => CACHE}), (error) => {
        assert.ok(hasCode(error, 'MANIFEST_NOT_FOUND'))
        assert.deepEqual(error.hints, [`holdfast stage shop --image ${ONE}`])
        return true
      })
    })
  })

  it('is told that the release before is gone from the platform, and what helps', async () => {
    await world.stage()
    const {droplets} = world.foundation.state
    const before = droplets.findIndex(({image}) => image === ONE)
    assert.equal((await world.show()).isPreviousGone, undefined)
    const [gone] = droplets.splice(before, 1)
    assert.partialDeepStrictEqual(await world.show(), {previous: gone?.guid, isPreviousGone: true})
    await assert.rejects(world.rollBack(true), (error) => {
      assert.ok(hasCode(error, 'OBJECT_NOT_FOUND'))
      assert.equal(error.message, `cannot roll back app "shop": the platform has deleted the release before, ${gone?.guid}`)
      assert.deepEqual(error.hints, ['holdfast stage shop --image IMAGE   # the image that it is to run', 'holdfast app show shop'])
      return true
    })
  })

  describe('whose run was stopped', () => {
    it('at its package: the next run uses that, with the credentials of today', async () => {
      world.machine.requestsLeft = 7
      world.machine.stopsBefore = true
      while (post('/v3/packages') === 0) {
        await assert.rejects(world.stage(), (error) => hasCode(error, 'INTERRUPTED'))
        world.machine.requestsLeft = 8
        world.machine.stopsBefore = !world.machine.stopsBefore
      }
      world.machine.requestsLeft = Number.POSITIVE_INFINITY
      const password = world.newPassword()
      await world.stage()
      assert.equal(post('/v3/packages'), 1)
      assert.equal(world.current().credentials?.password, password)
    })

    it('at its build: the next one waits for it, and two builds are never asked for at once', async () => {
      const runs = await Promise.allSettled([world.stage(), world.stage({}, newMachine())])
      assert.ok(runs.some(({status}) => status === 'fulfilled'))
      const {builds} = world.foundation.state
      assert.equal(builds.length, 2)
      assert.ok(world.foundation.requests.some(({method, path, status}) => method === 'POST' && path === '/v3/builds' && status === 422))
      assert.equal(world.truth(), ONE)
    })

    for (const [title, again] of [
      ['another stage', () => world.stage({}, newMachine())],
      ['another stage of the same image, by a rolling deployment', () => rolling(() => world.stage({image: TWO}, newMachine()))],
      ['a rollback', () => world.rollBack(true, newMachine())],
      ['a rotation', () => world.rotate(newMachine())],
      ['a stage after it opted out', () => world.optIn(undefined).then(() => world.stage({}, newMachine()))],
    ] as const) {
      it(`in a recreate: the app runs again after ${title}, wherever it was stopped, and is not started once its user stops it`, async () => {
        for (const stopsBefore of [true, false]) {
          for (let requests = 1; ; requests++) {
            world = await worlds.create(ONE)
            await world.stage()
            world.rollout = {...DEFAULT_ROLLOUT, strategy: 'recreate'}
            Object.assign(world.machine, {stopsBefore, requestsLeft: requests})
            const isDone = await world.stage({image: TWO}).then(
              () => true,
              () => false,
            )
            world.machine.requestsLeft = Number.POSITIVE_INFINITY
            const app = world.foundation.app(APP)
            assert.equal((await world.show()).isStopped, app.state === 'STOPPED' ? true : undefined)
            if (isDone) break
            await again()
            assert.deepEqual([app.state, app.instances.length], ['STARTED', 1], `stopped at request ${requests}`)
            assert.equal(app.annotations.has('holdfast-pending-started'), false)
            app.state = 'STOPPED'
            await world.stage({}, newMachine())
            assert.equal(app.state, 'STOPPED')
          }
        }
      })
    }

    it('in a recreate that crashed, and was given what it ran again: it stays stopped once its user stops it', async () => {
      const ran = world.current().image
      world.rollout = {...DEFAULT_ROLLOUT, strategy: 'recreate'}
      world.foundation.startAs(APP, 'CRASHED')
      await assert.rejects(world.stage(), (error) => hasCode(error, 'STAGING_FAILED'))
      const app = world.foundation.app(APP)
      assert.deepEqual([app.state, world.current().image], ['STARTED', ran])
      app.state = 'STOPPED'
      await world.stage({}, newMachine())
      assert.equal(app.state, 'STOPPED')
    })

    it('in a recreate before it had its release: a rollback starts what it ran', async () => {
      const ran = world.current().image
      world.rollout = {...DEFAULT_ROLLOUT, strategy: 'recreate'}
      for (let requests = 1; world.foundation.app(APP).state === 'STARTED'; requests++) {
        world.machine.requestsLeft = requests
        world.machine.stopsBefore = false
        await assert.rejects(world.stage(), (error) => hasCode(error, 'INTERRUPTED'))
      }
      const {hasCancelled, image} = await world.rollBack(false, newMachine())
      assert.deepEqual([hasCancelled, image, world.current().image], [true, ran, ran])
      const {state, annotations} = world.foundation.app(APP)
      assert.deepEqual([state, [...annotations.keys()].filter((name) => name.startsWith('holdfast-pending'))], ['STARTED', []])
    })

    it('in a rollback, before or after its deployment: there is a release to go back to', async () => {
      await world.stage()
      for (let requests = 1; requests < 40; requests++) {
        const ran = world.current().guid
        world.machine.requestsLeft = requests
        const isDone = await world.rollBack(true).then(
          () => true,
          () => false,
        )
        world.machine.requestsLeft = Number.POSITIVE_INFINITY
        if (world.current().guid !== ran) assert.equal(await world.before(), ran)
        else assert.notEqual(await world.before(), undefined)
        if (isDone) return
      }
      assert.fail('the rollback never ended')
    })
  })

  describe('that is rolled back', () => {
    beforeEach(async () => {
      await world.stage()
      await world.stage({image: TWO})
    })

    it('without credentials, when the platform shows that it can still pull', async () => {
      await world.rollBack(false)
      assert.equal(world.truth(), ONE)
    })

    it('after a rotation, with the credentials of today', async () => {
      await world.rotate()
      world.endPasswords()
      await world.rollBack(true)
      assert.deepEqual([world.truth(), world.current().credentials?.password], [ONE, world.passwords.at(-1)])
    })

    it('after a rotation without credentials: refused before anything changes, with the command that has them', async () => {
      await world.rotate()
      world.endPasswords()
      const before = [world.current().guid, Object.fromEntries(world.foundation.app(APP).annotations)]
      await assert.rejects(world.rollBack(false), (error) => {
        assert.ok(hasCode(error, 'STAGING_FAILED'))
        assert.equal(error.hints[0], 'holdfast rollback shop --pull-username platform --pull-password-stdin < FILE')
        return true
      })
      assert.deepEqual([world.current().guid, Object.fromEntries(world.foundation.app(APP).annotations)], before)
    })

    it('after a rotation that was stopped: to another image, not to the old password', async () => {
      const before = await world.before()
      for (let requests = 4; ; requests++) {
        const ran = world.current().guid
        world.machine.requestsLeft = requests
        const isDone = await world.rotate().then(
          () => true,
          () => false,
        )
        world.machine.requestsLeft = Number.POSITIVE_INFINITY
        assert.equal(await world.before(), before, `after ${requests} requests from ${ran}`)
        if (isDone) return
      }
    })

    it('to the image of its user: as it is, without credentials', async () => {
      await optOut()
      await world.optIn('true')
      await world.stage()
      assert.equal((await world.rollBack(false)).image, TWO)
    })
  })

  it('shows the credentials of one cache to no other', async () => {
    await world.stage()
    const dependencies = world.dependencies(world.machine)
    const {rotateCredentials} = await import('../../../src/lib/apps/credentials.ts')
    const {parseRegistryHost} = await import('../../../src/lib/oci/reference.ts')
    const asked: string[] = []
    await assert.rejects(
      rotateCredentials(APP, {
        ...dependencies,
        registry: parseRegistryHost('other.example.com'),
        assertPullable: async ({registry}) => void asked.push(registry),
      }),
      (error) => hasCode(error, 'CONFLICT'),
    )
    assert.deepEqual(asked, [])
  })
})
