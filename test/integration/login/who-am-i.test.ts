import assert from 'node:assert/strict'
import {type Identity, whoAmI} from '../../../src/lib/login/who-am-i.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../remote/scripted-registry.ts'
import {ALICE, endpointOf, type LoginFixture, openLogins} from './login-fixture.ts'

const CREDENTIAL = {kind: 'basic', username: ALICE, password: 'pw'} as const

describe('who is logged in', () => {
  const afterwards = cleanUpAfterwards()
  let fixture: LoginFixture

  before(async () => {
    const temporary = await createTemporaryDirectory('whoami')
    afterwards(temporary.remove)
    fixture = await openLogins(temporary.path)
    afterwards(fixture.close)
  })

  const start = async (answer: Answer): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry((seen, response, request) =>
      seen.headers.authorization === undefined
        ? reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
        : answer(seen, response, request),
    )
    afterwards(registry.close)
    return registry
  }
  const ask = (endpoint: ReturnType<typeof endpointOf>): Promise<Identity> =>
    whoAmI(CREDENTIAL, endpoint, {logins: fixture.logins, openHttp: fixture.dependencies.openHttp})

  it('is asked of docker.io with a HEAD that counts no pull, and answered with the rate limit', async () => {
    const hub = await start((_seen, response) =>
      reply(response, 200, {'ratelimit-limit': '200;w=21600', 'ratelimit-remaining': '173;w=21600', 'docker-content-digest': 'sha256:0'}),
    )
    assert.deepEqual(await ask(endpointOf('docker.io', {apiHost: hub.host})), {
      registry: 'docker.io',
      account: ALICE,
      kind: 'password',
      isProven: true,
      rateLimit: {limit: 200, remaining: 173, windowSeconds: 21_600},
    })
    assert.deepEqual(new Set(hub.lines()), new Set(['HEAD /v2/ratelimitpreview/test/manifests/latest']))
  })

  it('is asked of other registries at /v2/', async () => {
    const registry = await start((_seen, response) => reply(response, 200, {'ratelimit-limit': '60', 'ratelimit-remaining': '59'}))
    assert.deepEqual((await ask(endpointOf(registry.host))).rateLimit, {limit: 60, remaining: 59})
    assert.deepEqual(new Set(registry.lines()), new Set(['GET /v2/']))
  })

  it('does not wait for a registry that wants a pause', async () => {
    const registry = await start((_seen, response) => reply(response, 429, {'retry-after': '30'}))
    await assert.rejects(ask(endpointOf(registry.host)), {code: 'RATE_LIMITED'})
  })

  it('names no right that is missing where none was asked for', async () => {
    const registry = await start((_seen, response) => reply(response, 403))
    await assert.rejects(ask(endpointOf(registry.host)), {code: 'DENIED', message: /the account in use may not do this$/})
  })

  it('is an error when the registry answers what it should not', async () => {
    const registry = await start((_seen, response) => reply(response, 404))
    await assert.rejects(ask(endpointOf(registry.host)), {code: 'REPOSITORY_NOT_FOUND'})
  })
})
