/**
 * The life of an app at a genuine Cloud Foundry, for who has one. It runs only when told where:
 * HOLDFAST_TEST_CF_HOME (a folder with the .cf/config.json of a session that targets a space), HOLDFAST_TEST_CF_APP (an app of it that runs an image and may be staged),
 * HOLDFAST_TEST_CF_TO (a registry that this machine pushes to and the foundation pulls from), with HOLDFAST_PULL_USERNAME and HOLDFAST_PULL_PASSWORD where it wants them.
 */
import assert from 'node:assert/strict'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const {HOLDFAST_TEST_CF_HOME: home, HOLDFAST_TEST_CF_APP: app, HOLDFAST_TEST_CF_TO: to} = process.env
const STAGING_TIMEOUT_MS = 20 * 60_000

describe('an app of a genuine Cloud Foundry', function () {
  this.timeout(STAGING_TIMEOUT_MS)
  const afterwards = cleanUpAfterwards()
  let user: Holdfast

  before(async function () {
    if (!home || !app || !to) {
      process.stderr.write('\n    SKIPPED: HOLDFAST_TEST_CF_HOME, HOLDFAST_TEST_CF_APP and HOLDFAST_TEST_CF_TO name no foundation\n')
      return this.skip()
    }
    const temporary = await createTemporaryDirectory('genuine-foundation')
    afterwards(temporary.remove)
    const given = Object.entries(process.env).filter(([name]) => /^HOLDFAST_(?:AUTH|PULL)_/.test(name))
    user = await createHoldfast(temporary.path, {...Object.fromEntries(given), CF_HOME: home, HOLDFAST_TO: to})
  })

  async function succeed(...args: readonly string[]): Promise<Record<string, unknown>> {
    const {exitCode, stdout, stderr, envelope} = await user.json(args, {timeoutMs: STAGING_TIMEOUT_MS})
    assert.equal(exitCode, 0, stdout + stderr)
    return envelope.result as Record<string, unknown>
  }

  const statusOf = async (): Promise<Record<string, unknown>> =>
    (await succeed('app', 'show', String(app))).status as Record<string, unknown>

  it('opts in, runs from the cache, goes back, and opts out', async () => {
    const {image: before} = await statusOf()
    await succeed('set-env', String(app), 'DIEGO_DOCKER_CACHE', 'true')
    await succeed('stage', String(app))
    assert.partialDeepStrictEqual(await statusOf(), {isCached: true, isPinned: true, hasOptedIn: true})
    assert.equal((await succeed('rollback', String(app))).image, before)
    await succeed('rollback', String(app))
    await succeed('unset-env', String(app), 'DIEGO_DOCKER_CACHE')
    await succeed('stage', String(app))
    assert.partialDeepStrictEqual(await statusOf(), {image: before, isCached: false, hasOptedIn: false})
  })
})
