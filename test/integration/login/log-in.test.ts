/** Logging in to registries and token endpoints that fail, lie, or send us elsewhere: every failure has its own code, keeps nothing, and shows no secret. */
import assert from 'node:assert/strict'
import type {RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import {type ErrorCode, HoldfastError} from '../../../src/lib/core/errors.ts'
import type {HttpClient} from '../../../src/lib/http/client.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startForwardProxy} from '../../support/forward-proxy.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {startScriptedServer} from '../http/scripted-server.ts'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../remote/scripted-registry.ts'
import {ALICE, assertLoginFails, endpointOf, type LoginFixture, logInAt, openLogins, PASSWORD} from './login-fixture.ts'

const BASIC = `Basic ${Buffer.from(`${ALICE}:${PASSWORD}`).toString('base64')}`

describe('a login that fails', () => {
  const afterwards = cleanUpAfterwards()
  let directory: string
  let fixture: LoginFixture

  before(async () => {
    const temporary = await createTemporaryDirectory('login-faults')
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

  /** A registry whose token endpoint is its own `/token`. */
  const withTokens = (token: Answer, guarded: Answer = (_seen, response) => reply(response, 200)): Promise<ScriptedRegistry> =>
    start((seen, response, request) => {
      if (seen.url.startsWith('/token')) return token(seen, response, request)
      if (seen.headers.authorization !== undefined) return guarded(seen, response, request)
      reply(response, 401, {'www-authenticate': `Bearer realm="http://${seen.headers.host}/token",service="s"`})
    })

  const withPasswords = (guarded: Answer): Promise<ScriptedRegistry> =>
    start((seen, response, request) =>
      seen.headers.authorization === undefined
        ? reply(response, 401, {'www-authenticate': 'Basic realm="r"'})
        : guarded(seen, response, request),
    )

  for (const [what, status, headers, body, code, exitCode] of [
    ['a wrong password', 401, {}, {errors: [{code: 'UNAUTHORIZED', message: 'wrong'}]}, 'UNAUTHENTICATED', 4],
    [
      'a wrong password in the words of OAuth 2',
      401,
      {},
      {error: 'invalid_client', error_description: 'Bad credentials'},
      'UNAUTHENTICATED',
      4,
    ],
    ['a locked account', 403, {}, {error: 'ACCOUNT_LOCKED', error_description: 'try later'}, 'ACCOUNT_LOCKED', 5],
    ['an address that may not come', 403, {}, {errors: [{code: 'DENIED', message: 'not from this network'}]}, 'DENIED', 5],
    ['a page of a firewall', 403, {}, '<html>blocked</html>', 'DENIED', 5],
    [
      'a locked account that only words tell',
      401,
      {},
      {error: 'unauthorized', error_description: 'Your account has been locked because of too many failed attempts to login.'},
      'ACCOUNT_LOCKED',
      5,
    ],
    ['too many logins', 429, {'retry-after': '77'}, {}, 'RATE_LIMITED', 11],
    ['a server error', 503, {}, '<html>', 'REGISTRY_UNAVAILABLE', 7],
    ['an answer without a token', 200, {}, {access: 'granted'}, 'UNSUPPORTED', 5],
    ['an answer that is no JSON', 200, {}, '<html>', 'UNSUPPORTED', 5],
    ['a token that fits into no header', 200, {}, {token: 'a\r\nb'}, 'UNSUPPORTED', 5],
    ['a redirect', 307, {location: 'http://evil.example/token?x=secret'}, {}, 'UNTRUSTED_HOST', 10],
    ['an answer without end', 200, {}, {token: 'x'.repeat(70_000)}, 'INTEGRITY', 8],
  ] as readonly (readonly [string, number, Record<string, string>, object | string, ErrorCode, number])[]) {
    it(`for ${what} of the token endpoint ends with ${code}, after one request there`, async () => {
      const registry = await withTokens((_seen, response) => reply(response, status, headers, body))
      const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture), code, fixture)
      assert.equal(error.exitCode, exitCode)
      assert.equal(registry.seen.filter(({url}) => url.startsWith('/token')).length, 1)
      assert.match(error.message, code === 'INTEGRITY' ? /more than/ : /; nothing was kept$/)
    })
  }

  for (const [what, status, headers, body, code] of [
    ['a wrong password', 401, {}, {}, 'UNAUTHENTICATED'],
    ['a locked account', 403, {}, {errors: [{code: 'ACCOUNT_LOCKED', message: 'try later'}]}, 'ACCOUNT_LOCKED'],
    ['any other 403', 403, {}, {}, 'DENIED'],
    ['a locked account that only words tell', 401, {}, {errors: [{code: 'UNAUTHORIZED', message: 'user is locked'}]}, 'ACCOUNT_LOCKED'],
    ['too many logins', 429, {'retry-after': '77'}, {}, 'RATE_LIMITED'],
    ['a server error', 500, {}, {}, 'REGISTRY_UNAVAILABLE'],
    ['a redirect', 302, {location: '/login'}, {}, 'UNTRUSTED_HOST'],
    ['anything else', 404, {}, {}, 'UNSUPPORTED'],
  ] as readonly (readonly [string, number, Record<string, string>, object, ErrorCode])[]) {
    it(`for ${what} of a registry with HTTP Basic ends with ${code}`, async () => {
      const registry = await withPasswords((_seen, response) => reply(response, status, headers, body))
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture), code, fixture)
      assert.equal(registry.seen.filter((seen) => seen.headers.authorization === BASIC).length, 1)
    })

    it(`for ${what} of a registry that was shown a good token ends with ${code}`, async () => {
      const registry = await withTokens(
        (_seen, response) => reply(response, 200, {}, {token: 'good'}),
        (_seen, response) => reply(response, status, headers, body),
      )
      await assertLoginFails(
        logInAt(endpointOf(registry.host), fixture),
        code === 'ACCOUNT_LOCKED' && status === 401 ? 'UNAUTHENTICATED' : code,
        fixture,
      )
    })
  }

  it('tells a 403 in the words of the server, and says nothing of a lock', async () => {
    const registry = await withTokens((_seen, response) => reply(response, 403, {}, {errors: [{code: 'DENIED', message: 'wrong network'}]}))
    const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'DENIED', fixture)
    assert.match(error.message, /refuses the login \(403 DENIED: wrong network\); nothing was kept$/)
    assert.doesNotMatch(error.message, /lock/)
  })

  it('says when to try again', async () => {
    const registry = await withTokens((_seen, response) => reply(response, 429, {'retry-after': '77'}))
    const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'RATE_LIMITED', fixture)
    assert.equal(error.details.retryAfterMs, 77_000)
    assert.deepEqual(error.hints, [`sleep 77 && holdfast login ${registry.host}`])
  })

  it('does not repeat the password that a server repeats', async () => {
    for (const text of [PASSWORD, encodeURIComponent(PASSWORD), BASIC]) {
      const registry = await withTokens((_seen, response) => reply(response, 401, {}, {message: `no user with ${text} here`}))
      const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'UNAUTHENTICATED', fixture)
      assert.match(error.message, /no user with .*\*\*\* here/)
    }
  })

  for (const [what, realm] of [
    ['is no URL', 'http://['],
    ['is not of the web', 'file:///etc/passwd'],
  ]) {
    it(`because the realm ${what} sends no secret`, async () => {
      const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': `Bearer realm="${realm}",service="s"`}))
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'UNTRUSTED_HOST', fixture)
      assert.equal(registry.seen.length, 1)
    })
  }

  it('because the registry names no realm sends no secret', async () => {
    const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': 'Bearer service="s"'}))
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'UNTRUSTED_HOST', fixture)
    assert.equal(registry.seen.length, 1)
  })

  it('because the realm is not pinned sends nothing to it, and works when it is pinned', async () => {
    const realm = await start((_seen, response) => reply(response, 200, {}, {token: 'good'}))
    const realmHost = realm.host.replace('127.0.0.1', 'localhost')
    const registry = await start((seen, response) =>
      seen.headers.authorization === undefined
        ? reply(response, 401, {'www-authenticate': `Bearer realm="http://${realmHost}/token",service="s"`})
        : reply(response, 200),
    )
    const error = await assertLoginFails(logInAt(endpointOf(registry.host, {pinnedHosts: []}), fixture), 'UNTRUSTED_HOST', fixture)
    assert.match(error.hints.join(), /--trust-host/)
    assert.equal(realm.seen.length, 0)
    assert.equal((await logInAt(endpointOf(registry.host, {pinnedHosts: [realmHost]}), fixture)).login.kind, 'password')
    assert.ok(registry.seen.every(({headers, url}) => headers.authorization !== BASIC && !url.includes('?')))
  })

  it('because the keychain does not take the secret leaves no trust in the token endpoint behind', async () => {
    const realm = await start((_seen, response) => reply(response, 200, {}, {token: 'good'}))
    const realmHost = realm.host.replace('127.0.0.1', 'localhost')
    const registry = await start((seen, response) =>
      seen.headers.authorization === undefined
        ? reply(response, 401, {'www-authenticate': `Bearer realm="http://${realmHost}/token",service="s"`})
        : reply(response, 200),
    )
    const endpoint = endpointOf(registry.host, {trustedHosts: [realmHost]})
    const save = fixture.keychain.writeSecret.bind(fixture.keychain)
    fixture.keychain.writeSecret = () => Promise.reject(new HoldfastError('KEYCHAIN_UNAVAILABLE', 'cannot reach the keychain'))
    await assertLoginFails(logInAt(endpoint, fixture), 'KEYCHAIN_UNAVAILABLE', fixture)
    assert.deepEqual(await fixture.records.listTrust(), [])
    fixture.keychain.writeSecret = save
    await logInAt(endpoint, fixture)
    assert.equal((await fixture.records.listTrust()).length, 1)
  })

  it('keeps no identity token that the registry itself does not take', async () => {
    const registry = await withTokens(
      ({method, body}, response) => {
        const isRefresh = body.includes('refresh_token=')
        reply(response, 200, {}, {token: isRefresh ? 'bad' : 'good', ...(method === 'GET' ? {refresh_token: 'r'} : {})})
      },
      ({headers}, response) => reply(response, headers.authorization === 'Bearer good' ? 200 : 401),
    )
    const outcome = await logInAt(endpointOf(registry.host), fixture)
    assert.deepEqual([outcome.login.kind, [...fixture.keychain.items.values()]], ['password', [PASSWORD]])
  })

  it('keeps nothing where the endpoint fails when the identity token is proven', async () => {
    const registry = await withTokens(({method}, response) =>
      method === 'GET' ? reply(response, 200, {}, {token: 'good', refresh_token: 'canary-refresh'}) : reply(response, 503),
    )
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'REGISTRY_UNAVAILABLE', fixture, [PASSWORD, 'canary-refresh'])
  })

  const unreachable: readonly (readonly [string, Partial<RegistryEndpoint>, ErrorCode])[] = [
    ['nothing listens', {}, 'NETWORK'],
    ['it turns out to speak plain HTTP', {plainHttp: 'never'}, 'PLAIN_HTTP'],
  ]
  for (const [what, settings, code] of unreachable) {
    it(`because ${what} ends with ${code}`, async () => {
      const registry = await start((_seen, response) => reply(response, 200))
      if (code === 'NETWORK') await registry.close()
      const error = await assertLoginFails(logInAt(endpointOf(registry.host, settings), fixture), code, fixture)
      assert.equal(error.exitCode, 7)
      assert.equal(registry.seen.length, 0)
    })
  }

  it('because the token endpoint is not there ends with NETWORK', async () => {
    const gone = await start(() => {})
    await gone.close()
    const registry = await start((_seen, response) =>
      reply(response, 401, {'www-authenticate': `Bearer realm="${gone.url}/token",service="s"`}),
    )
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'NETWORK', fixture)
  })

  it('because a server goes away in the middle shows nothing of what was sent', async () => {
    const server = await startScriptedServer(async (peer) => {
      await peer.readHead()
      peer.socket.destroy()
    })
    afterwards(server.stop)
    const registry = await start((_seen, response) =>
      reply(response, 401, {'www-authenticate': `Bearer realm="${server.url.origin}/token",service="s"`}),
    )
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'NETWORK', fixture)
  })

  it('because it is interrupted ends at once', async () => {
    const registry = await withTokens(() => {})
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {}, AbortSignal.timeout(100)), 'INTERRUPTED', fixture)
  })

  for (const [what, input] of [
    ['a user name with a colon', {account: 'a:b'}],
    ['a user name with a line break', {account: 'a\nb'}],
    ['no user name', {account: ''}],
    ['an empty password', {password: ''}],
    ['an identity token of two lines', {identityToken: 'a\nb'}],
  ] as const) {
    it(`because of ${what} asks nobody`, async () => {
      const registry = await start((_seen, response) => reply(response, 200))
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture, input), 'USAGE', fixture, [])
      assert.equal(registry.seen.length, 0)
    })
  }

  it('goes through the proxy that is set, to the token endpoint as well', async () => {
    const registry = await withTokens((_seen, response) => reply(response, 200, {}, {token: 'good'}))
    const name = 'registry.example:80'
    const proxy = await startForwardProxy({[name]: Number(registry.host.split(':')[1])})
    afterwards(proxy.stop)
    const rule = (): URL => new URL(proxy.url)
    const openHttp = (): HttpClient => createWireClient({proxyFor: rule})
    const dependencies = {...fixture.dependencies, openHttp, proxyFor: rule}
    await logInAt(endpointOf('registry.example'), {...fixture, dependencies})
    assert.ok(proxy.requests.some((line) => line.includes('/v2/')))
    assert.ok(proxy.requests.includes('GET http://registry.example/token'), proxy.requests.join('\n'))
  })
})
