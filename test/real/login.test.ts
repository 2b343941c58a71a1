/** Logging in to genuine registries: what is exchanged, what is proven, what is kept, and whom the password reaches. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {createRemoteStore} from '../../src/lib/content/remote/store.ts'
import type {Secret} from '../../src/lib/core/secret.ts'
import {createLoginSource} from '../../src/lib/credentials/logins.ts'
import {createCredentialLookup} from '../../src/lib/credentials/lookup.ts'
import {createWireClient} from '../../src/lib/http/wire/client.ts'
import {whoAmI} from '../../src/lib/login/who-am-i.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'
import {ALICE, assertLoginFails, endpointOf, type LoginFixture, logInAt, openLogins, PASSWORD} from '../integration/login/login-fixture.ts'
import {openHttp} from '../integration/registries/registry-fixture.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority} from '../support/certificates.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createImage, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {type RefreshTokenRules, startTokenServer, type TokenServer, type TokenServerOptions} from '../support/token-server.ts'

describe('logging in to a genuine registry', function () {
  this.timeout(180_000)
  needs('docker-registry', 'htpasswd', 'openssl')
  const afterwards = cleanUpAfterwards()
  const sample = createImage([createLayer('private', 'not for everybody', 10_000)])
  let directory: string
  let open: DockerRegistry
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('login')
    afterwards(temporary.remove)
    directory = temporary.path
    open = await startDockerRegistry()
    afterwards(open.stop)
    await pushImage(open.url, 'private', 'v1', sample)
  })

  const start = async (refreshTokens?: RefreshTokenRules, options: Partial<TokenServerOptions> = {}) => {
    const folder = join(directory, `tokens-${count++}`)
    const tokens = await startTokenServer({
      directory: folder,
      users: {[ALICE]: PASSWORD},
      ...(refreshTokens === undefined ? {} : {refreshTokens}),
      ...options,
    })
    afterwards(tokens.stop)
    const registry = await startDockerRegistry({root: open.root, token: tokens.registryOptions})
    afterwards(registry.stop)
    const fixture = await openLogins(directory)
    afterwards(fixture.close)
    return {tokens, registry, fixture, endpoint: endpointOf(registry.host)}
  }

  /** Pulls the manifest with what was kept, by a client of its own: a later run. */
  const pull = async (registry: DockerRegistry, {logins}: LoginFixture): Promise<number | undefined> => {
    const http = createWireClient()
    try {
      const credentials = createCredentialLookup({logins: createLoginSource(logins)})
      const store = createRemoteStore({endpoint: endpointOf(registry.host), http, credentials})
      return (await store.statManifest(parseRepositoryName('private'), parseTag('v1')))?.size
    } finally {
      http.close()
    }
  }

  const passwordsSent = ({requests}: TokenServer): number => requests.filter(({grant}) => grant === 'basic' || grant === 'password').length

  it('exchanges the password for an identity token, keeps only that, and never sends the password again', async () => {
    const {tokens, registry, fixture, endpoint} = await start({givenBy: ['get']})
    const outcome = await logInAt(endpoint, fixture)
    assert.deepEqual(outcome, {
      scheme: 'bearer',
      isProven: true,
      realmHost: new URL(tokens.realm).host,
      login: {registry: registry.host, account: ALICE, kind: 'identity-token', loggedInAt: '2026-11-20T12:00:00.000Z'},
    })
    assert.deepEqual(await fixture.logins.list(), [outcome.login])
    assert.deepEqual([...fixture.keychain.items.values()], tokens.refreshTokens())
    assert.deepEqual(
      tokens.requests.map(({grant, fields}) => [grant, fields]),
      [
        ['basic', ['service', 'account', 'client_id', 'offline_token']],
        ['refresh_token', ['grant_type', 'client_id', 'service', 'refresh_token']],
      ],
    )
    assert.ok(await pull(registry, fixture))
    assert.equal(passwordsSent(tokens), 1)
  })

  it('asks by the OAuth 2 form where GET gives no identity token', async () => {
    const {tokens, registry, fixture, endpoint} = await start({givenBy: ['form']})
    assert.equal((await logInAt(endpoint, fixture)).login?.kind, 'identity-token')
    assert.deepEqual(
      tokens.requests.map(({grant}) => grant),
      ['basic', 'password', 'refresh_token'],
    )
    assert.ok(await pull(registry, fixture))
    assert.equal(passwordsSent(tokens), 2)
  })

  it('asks by the form alone where GET is not offered', async () => {
    const {registry, fixture, endpoint} = await start({givenBy: ['form']}, {ways: ['form']})
    assert.equal((await logInAt(endpoint, fixture)).login?.kind, 'identity-token')
    assert.ok(await pull(registry, fixture))
  })

  it('keeps the password where there is no identity token, and says why', async () => {
    const {tokens, registry, fixture, endpoint} = await start()
    const outcome = await logInAt(endpoint, fixture)
    assert.equal(outcome.login?.kind, 'password')
    assert.equal(outcome.reason, `${new URL(tokens.realm).host} gives no identity token`)
    assert.deepEqual([...fixture.keychain.items.values()], [PASSWORD])
    assert.ok(await pull(registry, fixture))
  })

  it('does so where the form is not offered', async () => {
    const {fixture, endpoint} = await start(undefined, {ways: ['get']})
    assert.equal((await logInAt(endpoint, fixture)).login?.kind, 'password')
  })

  it('keeps no identity token that does not work, but the password', async () => {
    const {registry, fixture, endpoint} = await start({givenBy: ['get'], worthless: true})
    const outcome = await logInAt(endpoint, fixture)
    assert.equal(outcome.login?.kind, 'password')
    assert.match(outcome.reason ?? '', /does not work/)
    assert.ok(await pull(registry, fixture))
  })

  for (const [what, rules] of [
    ['there is none', undefined],
    ['the one that is given does not work', {givenBy: ['get', 'form'], worthless: true}],
  ] as const) {
    it(`keeps nothing when only a token may be kept and ${what}`, async () => {
      const {fixture, endpoint} = await start(rules)
      const error = await assertLoginFails(logInAt(endpoint, fixture, {tokenOnly: true}), 'NO_IDENTITY_TOKEN', fixture)
      assert.equal(error.exitCode, 5)
    })
  }

  it('keeps the newest identity token where each exchange gives a new one, and every later run does so too', async () => {
    const {tokens, registry, fixture, endpoint} = await start({givenBy: ['get'], rotate: true})
    await logInAt(endpoint, fixture)
    const kept = (): readonly string[] => [...fixture.keychain.items.values()]
    const first = kept()
    assert.deepEqual(first, tokens.refreshTokens())
    assert.ok(await pull(registry, fixture))
    assert.notDeepEqual(kept(), first)
    assert.deepEqual(kept(), tokens.refreshTokens())
    assert.ok(await pull(registry, fixture))
    assert.deepEqual(kept(), tokens.refreshTokens())
    assert.equal(passwordsSent(tokens), 1)
  })

  it('remembers when an identity token says that it ends', async () => {
    const exp = Date.UTC(2027, 0, 1) / 1000
    const {fixture, endpoint} = await start({givenBy: ['get'], exp})
    assert.equal((await logInAt(endpoint, fixture)).login?.expiresAt, '2027-01-01T00:00:00.000Z')
  })

  it('proves and keeps an identity token that is given', async () => {
    const {tokens, registry, fixture, endpoint} = await start({givenBy: []})
    const identityToken = tokens.issueRefreshToken(ALICE)
    const outcome = await logInAt(endpoint, fixture, {identityToken, tokenOnly: true})
    assert.equal(outcome.login?.kind, 'identity-token')
    assert.deepEqual([...fixture.keychain.items.values()], [identityToken])
    assert.ok(await pull(registry, fixture))
    assert.equal(passwordsSent(tokens), 0)
  })

  it('refuses an identity token that the endpoint does not know', async () => {
    const {tokens, fixture, endpoint} = await start({givenBy: []})
    const identityToken = tokens.issueRefreshToken(ALICE)
    tokens.revokeRefreshTokens()
    const error = await assertLoginFails(logInAt(endpoint, fixture, {identityToken}), 'UNAUTHENTICATED', fixture, [identityToken])
    assert.match(error.message, /invalid_grant/)
  })

  it('refuses a wrong password after one try', async () => {
    const {tokens, fixture, endpoint} = await start({givenBy: ['get']})
    const error = await assertLoginFails(logInAt(endpoint, fixture, {password: 'canary-wrong'}), 'UNAUTHENTICATED', fixture, [
      'canary-wrong',
    ])
    assert.equal(error.exitCode, 4)
    assert.match(error.message, /wrong user name or password/)
    assert.equal(tokens.requests.length, 1)
  })

  it('refuses a wrong password where only the form is offered', async () => {
    const {fixture, endpoint} = await start({givenBy: ['form']}, {ways: ['form']})
    await assertLoginFails(logInAt(endpoint, fixture, {password: 'canary-wrong'}), 'UNAUTHENTICATED', fixture, ['canary-wrong'])
  })

  it('tells a locked account from a wrong password, after one try', async () => {
    const {tokens, fixture, endpoint} = await start({givenBy: ['get']})
    tokens.lock(ALICE)
    const error = await assertLoginFails(logInAt(endpoint, fixture), 'ACCOUNT_LOCKED', fixture)
    assert.equal(error.exitCode, 5)
    assert.equal(tokens.requests.length, 1)
  })

  it('tells of a registry that does not trust its own token endpoint', async () => {
    const {tokens, fixture} = await start()
    const stranger = await startTokenServer({directory: join(directory, 'stranger'), users: {[ALICE]: PASSWORD}})
    afterwards(stranger.stop)
    const registry = await startDockerRegistry({root: open.root, token: {...tokens.registryOptions, realm: stranger.realm}})
    afterwards(registry.stop)
    const error = await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'UNAUTHENTICATED', fixture)
    assert.match(error.message, /refuses the token that its own token endpoint gave/)
  })

  it('keeps the login of a path beside that of the registry', async () => {
    const {fixture, endpoint} = await start({givenBy: ['get']})
    await logInAt(endpoint, fixture)
    await logInAt(endpoint, fixture, {pathPrefix: parseRepositoryName('private')})
    assert.deepEqual((await fixture.logins.list()).map(({pathPrefix}) => pathPrefix).sort(), ['private', undefined])
    assert.equal(fixture.keychain.items.size, 2)
  })

  describe('with HTTP Basic', () => {
    let registry: DockerRegistry
    let fixture: LoginFixture

    before(async () => {
      registry = await startDockerRegistry({root: open.root, htpasswd: {username: ALICE, password: PASSWORD}})
      afterwards(registry.stop)
    })
    beforeEach(async () => {
      fixture = await openLogins(directory)
      afterwards(fixture.close)
    })

    it('proves the password, keeps it, and says why', async () => {
      const outcome = await logInAt(endpointOf(registry.host), fixture)
      assert.deepEqual([outcome.scheme, outcome.login?.kind], ['basic', 'password'])
      assert.match(outcome.reason ?? '', /HTTP Basic/)
      assert.ok(await pull(registry, fixture))
    })

    it('sends nothing when only a token may be kept', async () => {
      await registry.forgetAccessLog()
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {tokenOnly: true}), 'NO_IDENTITY_TOKEN', fixture)
      assert.deepEqual(
        (await registry.accessLog()).map(({path, status}) => `${path} ${status}`),
        ['/v2/ 401'],
      )
    })

    it('takes no identity token', async () => {
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {identityToken: 'canary-token'}), 'UNSUPPORTED', fixture, [
        'canary-token',
      ])
    })

    it('refuses a wrong password', async () => {
      await assertLoginFails(logInAt(endpointOf(registry.host), fixture, {password: 'canary-wrong'}), 'UNAUTHENTICATED', fixture, [
        'canary-wrong',
      ])
    })

    it('knows who is logged in, and who is not let in any more', async () => {
      const endpoint = endpointOf(registry.host)
      const {login} = await logInAt(endpoint, fixture)
      assert.ok(login)
      const who = await whoAmI(login, endpoint, {logins: fixture.logins, openHttp})
      assert.deepEqual(who, {registry: registry.host, account: ALICE, kind: 'password', isProven: true})
      const wrong = {kind: 'basic', username: ALICE, password: 'changed'} as const
      await assert.rejects(whoAmI(wrong, endpoint, {logins: fixture.logins, openHttp}), {code: 'UNAUTHENTICATED'})
    })
  })

  it('keeps a login at a registry that lets everybody in, and does not call it proven', async () => {
    const fixture = await openLogins(directory)
    afterwards(fixture.close)
    assert.partialDeepStrictEqual(await logInAt(endpointOf(open.host), fixture), {scheme: 'none', isProven: false})
    assert.deepEqual([...fixture.keychain.items.values()], [PASSWORD])
  })

  it('shows no secret to a token endpoint on another host until that is trusted, and none of its requests then fails', async () => {
    const tokens = await startTokenServer({
      directory: join(directory, 'elsewhere'),
      users: {[ALICE]: PASSWORD},
      refreshTokens: {givenBy: ['get']},
    })
    afterwards(tokens.stop)
    const realm = tokens.realm.replace('127.0.0.1', 'localhost')
    const registry = await startDockerRegistry({root: open.root, token: {...tokens.registryOptions, realm}})
    afterwards(registry.stop)
    const fixture = await openLogins(directory)
    afterwards(fixture.close)
    await assertLoginFails(logInAt(endpointOf(registry.host), fixture), 'UNTRUSTED_HOST', fixture)
    assert.deepEqual(tokens.requests, [])
    const trusting = endpointOf(registry.host, {trustedHosts: [new URL(realm).host]})
    const {login} = await logInAt(trusting, fixture)
    assert.equal((await whoAmI(login, trusting, {logins: fixture.logins, openHttp})).isProven, true)
    await assert.rejects(whoAmI(login, endpointOf(registry.host), {logins: fixture.logins, openHttp}), {code: 'UNTRUSTED_HOST'})
  })

  it('sends no secret to a server whose certificate is not trusted, and logs in with its authority', async () => {
    const authority = await createCertificateAuthority(join(directory, 'ca'))
    const registry = await startDockerRegistry({
      root: open.root,
      tls: await authority.issue('registry'),
      htpasswd: {username: ALICE, password: PASSWORD},
    })
    afterwards(registry.stop)
    const fixture = await openLogins(directory)
    afterwards(fixture.close)
    await assertLoginFails(logInAt(endpointOf(registry.host, {plainHttp: 'never'}), fixture), 'TLS', fixture)
    const trusting = endpointOf(registry.host, {plainHttp: 'never', tls: {ca: authority.ca}})
    assert.equal((await logInAt(trusting, fixture)).login?.kind, 'password')
  })

  it('shows an identity token to the registry and tells when it ends', async () => {
    const exp = Date.UTC(2027, 0, 1) / 1000
    const {registry, fixture, endpoint, tokens} = await start({givenBy: ['get'], exp, rotate: true})
    const {login} = await logInAt(endpoint, fixture)
    assert.ok(login)
    assert.deepEqual(await whoAmI(login, endpoint, {logins: fixture.logins, openHttp}), {
      registry: registry.host,
      account: ALICE,
      kind: 'identity-token',
      isProven: true,
      tokenExpiresAt: '2027-01-01T00:00:00.000Z',
    })
    assert.deepEqual([...fixture.keychain.items.values()], tokens.refreshTokens())
    tokens.revokeRefreshTokens()
    await assert.rejects(whoAmI(login, endpoint, {logins: fixture.logins, openHttp}), {code: 'UNAUTHENTICATED'})
  })

  it('keeps nothing when the keychain fails', async () => {
    const {fixture, endpoint} = await start({givenBy: ['get']})
    fixture.keychain.writeSecret = async (_key: unknown, _secret: Secret): Promise<void> => {
      throw new Error('the keychain is gone')
    }
    await assert.rejects(logInAt(endpoint, fixture), /the keychain is gone/)
    assert.deepEqual(await fixture.logins.list(), [])
  })
})
