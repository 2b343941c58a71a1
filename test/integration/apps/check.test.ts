/** Whether the instances of an app would come up again: asked as the platform does, or said to be unknown. */
import assert from 'node:assert/strict'
import {type AppCheck, checkApp, wouldFail} from '../../../src/lib/apps/check-app.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import {APP, type AppWorld, type AppWorlds, startAppWorlds} from '../../support/app-world.ts'

const IMAGE = 'origin.example.com/shop/web:v1'

describe('a check of an app', () => {
  let worlds: AppWorlds
  let world: AppWorld

  before(async () => {
    worlds = await startAppWorlds()
  })
  after(() => worlds.close())
  beforeEach(async () => {
    world = await worlds.create(IMAGE)
  })

  const fails = (code: ErrorCode) => async () => {
    throw new HoldfastError(code, `it answered ${code}`)
  }
  const works = async () => {}
  const check = async (more: Partial<Parameters<typeof checkApp>[1]> = {}): Promise<AppCheck> => {
    const {platform, findCopy, assertPullable} = world.dependencies(world.machine)
    return await checkApp(APP, {platform, findCopy, assertPullable, assertReadable: works, ...more})
  }

  for (const [code, verdict, isFailing] of [
    ['MANIFEST_NOT_FOUND', 'gone', true],
    ['UNAUTHENTICATED', 'refused', true],
    ['DENIED', 'refused', true],
    ['NETWORK', 'unreachable', true],
    ['REGISTRY_UNAVAILABLE', 'unreachable', true],
    ['INVALID_MANIFEST', 'unknown', false],
  ] as const) {
    it(`of an image that is pulled without credentials says ${verdict} for ${code}`, async () => {
      const result = await check({assertPullable: fails(code)})
      assert.deepEqual([result.verdict, result.tried, wouldFail(result)], [verdict, 'platform', isFailing])
      assert.equal(result.reason, `it answered ${code}`)
    })
  }

  it('of a copy says whether it is there, and that its password is the platform’s, without the credentials', async () => {
    await world.stage()
    assert.partialDeepStrictEqual(await check(), {verdict: 'unknown', tried: 'own', pullsAs: 'platform', isCached: true, space: 'acme/dev'})
    assert.equal((await check({assertReadable: fails('MANIFEST_NOT_FOUND')})).verdict, 'gone')
    assert.equal((await check({assertReadable: fails('UNAUTHENTICATED')})).verdict, 'unknown')
    assert.equal((await check({assertReadable: fails('NETWORK')})).verdict, 'unreachable')
  })

  it('of a copy tries the named credentials of the same user name at the same cache, and says that the platform may have others', async () => {
    await world.stage()
    const {pullCredentials, registry} = world.dependencies(world.machine)
    const opened = await check({pullCredentials, registry})
    assert.partialDeepStrictEqual(opened, {verdict: 'unknown', tried: 'named'})
    assert.match(opened.reason ?? '', /^it opens with the named credentials; only --build shows .* "platform"$/)
    world.passwords = ['another']
    const refused = await check({pullCredentials, registry})
    assert.deepEqual([refused.verdict, refused.tried, wouldFail(refused)], ['unknown', 'named', false])
    assert.match(refused.reason ?? '', /^the named credentials do not open it \(cannot pull .*\); only --build shows .* "platform"$/)
    const lost = await check({pullCredentials, registry, assertReadable: fails('MANIFEST_NOT_FOUND')})
    assert.deepEqual([lost.verdict, lost.tried], ['gone', 'own'])
    assert.equal((await check({pullCredentials, registry, assertPullable: fails('MANIFEST_NOT_FOUND')})).verdict, 'gone')
    const others = parseRegistryHost('other.example.com')
    assert.equal((await check({pullCredentials, registry: others, assertPullable: fails('INTEGRITY')})).tried, 'own')
  })

  it('by a build has the platform pull with what it has, and leaves what runs', async () => {
    await world.stage()
    const {guid} = world.current()
    assert.partialDeepStrictEqual(await check({isBuilt: true}), {verdict: 'pullable', tried: 'build'})
    world.passwords = ['another']
    assert.partialDeepStrictEqual(await check({isBuilt: true}), {verdict: 'refused', tried: 'build'})
    assert.equal(world.current().guid, guid)
  })
})
