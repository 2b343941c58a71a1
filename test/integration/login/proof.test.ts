/** What a login proves, where its secret goes before that, and what is kept without a proof. */
import assert from 'node:assert/strict'
import {whoAmI} from '../../../src/lib/login/who-am-i.ts'
import type {RegistryHost, RepositoryName} from '../../../src/lib/oci/reference.ts'
import type {ConfirmRealm} from '../../../src/lib/registries/realm-consent.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../remote/scripted-registry.ts'
import {ALICE, assertLoginFails, endpointOf, type LoginFixture, logInAt, openLogins, PASSWORD} from './login-fixture.ts'

const BASIC = `Basic ${Buffer.from(`${ALICE}:${PASSWORD}`).toString('base64')}`
const TEAM = 'team/app' as RepositoryName

describe('what a login proves', () => {
  const afterwards = cleanUpAfterwards()
  let directory: string
  let fixture: LoginFixture

  before(async () => {
    const temporary = await createTemporaryDirectory('login-proof')
    afterwards(temporary.remove)
    directory = temporary.path
  })
  beforeEach(async () => {
    fixture = await openLogins(directory)
    afterwards(fixture.close)
  })

  const start = async (answer: Answer): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }

  /** `/v2/` is open; repositories want a password. */
  const withGuardedRepositories = (status = 200): Promise<ScriptedRegistry> =>
    start(({url, headers}, response) => {
      if (url === '/v2/') return reply(response, 200)
      if (headers.authorization !== BASIC) return reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
      reply(response, status)
    })

  /** `/v2/` is open; repositories want a token of the registry's own endpoint, which knows alice, and gives it the rights that are named. */
  const withGuardedTokens = (rights: string): Promise<ScriptedRegistry> =>
    start(({url, headers}, response) => {
      if (url === '/v2/') return reply(response, 200)
      if (url.startsWith('/token'))
        return headers.authorization === BASIC ? reply(response, 200, {}, {token: rights}) : reply(response, 401)
      if (headers.authorization === 'Bearer pull') return reply(response, 200, {}, {tags: []})
      const error = headers.authorization === undefined ? '' : ',error="insufficient_scope"'
      const challenge = `Bearer realm="http://${headers.host}/token",service="s",scope="repository:${TEAM}:pull"${error}`
      reply(response, 401, {'www-authenticate': challenge})
    })

  for (const status of [200, 404]) {
    it(`is the password of a repository that answers ${status} to it, where /v2/ is open`, async () => {
      const registry = await withGuardedRepositories(status)
      const outcome = await logInAt(endpointOf(registry.host), fixture, {pathPrefix: TEAM})
      assert.partialDeepStrictEqual(outcome, {scheme: 'basic', isProven: true, login: {kind: 'password', pathPrefix: TEAM}})
      assert.deepEqual(registry.lines().slice(-1), [`GET /v2/${TEAM}/tags/list?n=1`])
    })
  }

  it('is a token for the repository, where /v2/ is open', async () => {
    const registry = await withGuardedTokens('pull')
    const outcome = await logInAt(endpointOf(registry.host), fixture, {pathPrefix: TEAM})
    assert.partialDeepStrictEqual(outcome, {scheme: 'bearer', isProven: true, login: {kind: 'password'}})
    const asked = registry.lines().filter((line) => line.startsWith('GET /token'))
    assert.ok(asked.every((line) => line.includes('scope=repository%3Ateam%2Fapp%3Apull')) && asked.length > 0, asked.join())
  })

  it('is never a wrong password, and nothing is kept then', async () => {
    for (const registry of [await withGuardedRepositories(), await withGuardedTokens('pull')]) {
      const attempt = logInAt(endpointOf(registry.host), fixture, {pathPrefix: TEAM, password: 'wrong-password'})
      await assertLoginFails(attempt, 'UNAUTHENTICATED', fixture, ['wrong-password'])
    }
  })

  it('is nothing where the repository asks for something that is neither a password nor a token', async () => {
    const registry = await start(({url}, response) =>
      url === '/v2/' ? reply(response, 200) : reply(response, 401, {'www-authenticate': 'Negotiate'}),
    )
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {pathPrefix: TEAM}), 'UNSUPPORTED', fixture)
  })

  it('is nothing where the account may not read the repository', async () => {
    for (const registry of [await withGuardedRepositories(403), await withGuardedTokens('nothing')]) {
      const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {pathPrefix: TEAM}), 'DENIED', fixture)
      assert.match(error.hints.join(), new RegExp(`^holdfast login ${registry.host} `))
    }
  })

  it('is nothing where /v2/ is open and no repository is named, or the one that is named is open: the login is kept and not called proven', async () => {
    const guarded = await withGuardedRepositories()
    const open = await start((_seen, response) => reply(response, 200))
    for (const [registry, pathPrefix] of [
      [guarded, undefined],
      [open, TEAM],
    ] as const) {
      const more = pathPrefix === undefined ? {} : {pathPrefix}
      const outcome = await logInAt(endpointOf(registry.host), fixture, more)
      assert.partialDeepStrictEqual(outcome, {scheme: 'none', isProven: false, login: {kind: 'password', account: ALICE}})
      assert.ok(registry.seen.every(({headers}) => headers.authorization === undefined))
      const token = await logInAt(endpointOf(registry.host), fixture, {...more, identityToken: 'canary-identity-token'})
      assert.partialDeepStrictEqual(token, {isProven: false, login: {kind: 'identity-token'}})
    }
    const fresh = await openLogins(directory)
    afterwards(fresh.close)
    await assertLoginFails(logInAt(endpointOf(guarded.host), fresh, {tokenOnly: true}), 'NO_IDENTITY_TOKEN', fresh)
  })

  describe('at a token endpoint on another host', () => {
    let realm: ScriptedRegistry
    let registry: ScriptedRegistry
    let realmHost: string

    beforeEach(async () => {
      realm = await start((_seen, response) => reply(response, 200, {}, {token: 'good'}))
      realmHost = realm.host.replace('127.0.0.1', 'localhost')
      const challenge = `Bearer realm="http://${realmHost}/token",service="s"`
      registry = await start(({headers}, response) =>
        headers.authorization === undefined ? reply(response, 401, {'www-authenticate': challenge}) : reply(response, 200),
      )
    })

    const logIn = (confirmRealm: ConfirmRealm | undefined) =>
      logInAt(endpointOf(registry.host), {...fixture, dependencies: {...fixture.dependencies, confirmRealm}})
    const trusted = () => fixture.records.listTrustedHosts(registry.host as RegistryHost)

    it('is asked first, and nothing is sent when the answer is no or nobody can be asked', async () => {
      const asked: unknown[] = []
      const refuse: ConfirmRealm = async (question) => {
        asked.push({...question, sent: realm.seen.length})
        return false
      }
      const error = await assertLoginFails(logIn(refuse), 'UNTRUSTED_HOST', fixture)
      assert.match(error.hints.join(), new RegExp(`holdfast login ${registry.host} --trust-host ${realmHost} `))
      const reason = 'that host is not trusted with the credentials of the registry'
      assert.deepEqual(asked, [{registry: registry.host, host: realmHost, reason, sent: 0}])
      await assertLoginFails(logIn(undefined), 'UNTRUSTED_HOST', fixture)
      assert.deepEqual([realm.seen.length, await trusted()], [0, []])
    })

    it('is trusted from then on when the answer is yes, for this registry', async () => {
      assert.partialDeepStrictEqual(await logIn(async () => true), {isProven: true, realmHost})
      assert.equal(realm.seen[0]?.headers.authorization, BASIC)
      assert.deepEqual(await trusted(), [realmHost])
      assert.deepEqual(await fixture.records.listTrustedHosts('other.example' as RegistryHost), [])
    })

    it('is not remembered when the login fails', async () => {
      realm.answer = (_seen, response) => reply(response, 401)
      await assertLoginFails(
        logIn(async () => true),
        'UNAUTHENTICATED',
        fixture,
      )
      assert.deepEqual(await trusted(), [])
    })
  })

  describe('when it is looked at again', () => {
    const ask = (registry: ScriptedRegistry, pathPrefix?: RepositoryName) =>
      whoAmI({kind: 'basic', username: ALICE, password: PASSWORD}, endpointOf(registry.host), {
        logins: fixture.logins,
        openHttp: fixture.dependencies.openHttp,
        pathPrefix,
      })

    it('is nothing where the registry answers without asking, unless the repository asks', async () => {
      const registry = await withGuardedRepositories(404)
      assert.equal((await ask(registry)).isProven, false)
      assert.equal((await ask(registry, TEAM)).isProven, true)
      const open = await start((_seen, response) => reply(response, 200))
      assert.equal((await ask(open, TEAM)).isProven, false)
    })

    it('is nothing where the registry redirects, whatever is answered there', async () => {
      const elsewhere = await start((_seen, response) => reply(response, 200))
      for (const location of [() => elsewhere.url, () => '/login']) {
        const registry = await start(({headers, url}, response) => {
          if (url !== '/v2/') return reply(response, 200)
          if (headers.authorization === undefined) return reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
          reply(response, 302, {location: location()})
        })
        await assert.rejects(ask(registry), {code: 'UNTRUSTED_HOST', message: /it redirects to "http/})
      }
      assert.equal(elsewhere.seen.length, 0)
    })
  })
})
