/** Identity tokens in use: what a genuine registry and a token endpoint that gives refresh tokens see of them. */
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import type {CredentialLookup, RegistryCredential} from '../../../src/lib/content/remote/endpoint.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {type RefreshTokenRules, startTokenServer, type TokenServer} from '../../support/token-server.ts'
import {OTHER, REPOSITORY, reply, sourceOf, startScriptedRegistry, storeFor} from './scripted-registry.ts'

const BYTES = randomBytes(5000)
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}
const REPOSITORIES = Array.from({length: 6}, (_, index) => parseRepositoryName(`team/app-${index}`))

describe('an identity token', () => {
  needs('docker-registry', 'openssl')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let count = 0

  before(async () => {
    const temporary = await createTemporaryDirectory('identity')
    afterwards(temporary.remove)
    directory = temporary.path
  })

  const start = async (rules: Partial<RefreshTokenRules> = {}): Promise<{tokens: TokenServer; registry: DockerRegistry}> => {
    const tokens = await startTokenServer({directory: join(directory, String(count++)), users: {}, refreshTokens: {givenBy: [], ...rules}})
    afterwards(tokens.stop)
    const registry = await startDockerRegistry({token: tokens.registryOptions})
    afterwards(registry.stop)
    return {tokens, registry}
  }

  /** What keeps a login, as the keychain does. */
  const keeper = (token: string) => {
    const kept = [token]
    const lookup: CredentialLookup = async (): Promise<RegistryCredential> => ({
      kind: 'identity-token',
      token: kept.at(-1) ?? '',
      keepRotated: async (next) => {
        kept.push(next)
      },
    })
    return {kept, lookup}
  }

  const open = ({host}: DockerRegistry, credentials: CredentialLookup, warn?: (message: string) => void) => {
    const opened = storeFor(host, {credentials, ...(warn === undefined ? {} : {warn})})
    afterwards(opened.close)
    return opened
  }

  it('opens every repository, and is not handed on to be kept while it stays the same', async () => {
    const {tokens, registry} = await start()
    const {kept, lookup} = keeper(tokens.issueRefreshToken('alice'))
    const {store} = open(registry, lookup)
    await Promise.all(REPOSITORIES.map((repository) => store.writeBlob(repository, BLOB, sourceOf(BYTES).source)))
    assert.equal(kept.length, 1)
    assert.ok(tokens.requests.every(({grant}) => grant === 'refresh_token'))
  })

  it('that each exchange replaces serves requests at once, one after the other, and the newest is kept', async () => {
    const {tokens, registry} = await start({rotate: true})
    const {kept, lookup} = keeper(tokens.issueRefreshToken('alice'))
    const {store} = open(registry, lookup)
    await Promise.all(REPOSITORIES.map((repository) => store.writeBlob(repository, BLOB, sourceOf(BYTES).source)))
    assert.ok(kept.length > REPOSITORIES.length, `${kept.length}`)
    assert.equal(new Set(kept).size, kept.length)
    assert.deepEqual([kept.at(-1)], tokens.refreshTokens())
    assert.ok(tokens.requests.every(({status}) => status === 200))
  })

  it('gets a new access token when the old one ends in the middle of the work', async () => {
    const {tokens, registry} = await start({rotate: true})
    const {lookup} = keeper(tokens.issueRefreshToken('alice'))
    const {store, clock} = open(registry, lookup)
    await store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source)
    const before = tokens.requests.length
    assert.equal(await store.statBlob(REPOSITORY, BLOB.digest), BLOB.size)
    await clock.sleep(400_000)
    assert.equal(await store.statBlob(REPOSITORY, BLOB.digest), BLOB.size)
    assert.ok(tokens.requests.length > before)
  })

  it('that another run has exchanged meanwhile is asked for again, once, and the old one is not shown again', async () => {
    const {tokens, registry} = await start({rotate: true})
    const {kept, lookup} = keeper(tokens.issueRefreshToken('alice'))
    const ours = open(registry, lookup)
    const theirs = open(registry, lookup)
    await ours.store.statBlob(REPOSITORY, BLOB.digest)
    await theirs.store.statBlob(REPOSITORY, BLOB.digest)
    // Each holds what it was answered first; from here on one of them is always behind.
    for (const {store} of [ours, theirs, ours]) await store.statBlob(OTHER, BLOB.digest).then(() => ours.clock.sleep(400_000))
    await ours.store.statBlob(REPOSITORY, BLOB.digest)
    assert.deepEqual([kept.at(-1)], tokens.refreshTokens())
    assert.ok(tokens.requests.some(({status}) => status === 400))
  })

  it('that cannot be kept is a warning, and the work goes on with it', async () => {
    const {tokens, registry} = await start({rotate: true})
    const token = tokens.issueRefreshToken('alice')
    const warnings: string[] = []
    const {store} = open(
      registry,
      async () => ({
        kind: 'identity-token',
        token,
        keepRotated: async () => {
          throw new Error('the keychain is locked')
        },
      }),
      (message) => warnings.push(message),
    )
    await store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source)
    await store.writeBlob(OTHER, BLOB, sourceOf(BYTES).source)
    assert.ok(warnings.length > 1)
    assert.match(warnings[0] ?? '', /the keychain is locked; log in again when this is done: holdfast login 127/)
    for (const secret of tokens.tokens) assert.ok(!warnings.join().includes(secret))
  })

  it('that was revoked is refused, shown once, and not in the error', async () => {
    const {tokens, registry} = await start()
    const token = tokens.issueRefreshToken('alice')
    tokens.revokeRefreshTokens()
    const {store} = open(registry, keeper(token).lookup)
    await assert.rejects(store.statBlob(REPOSITORY, BLOB.digest), (error) => {
      assert.ok(hasCode(error, 'UNAUTHENTICATED') && !error.message.includes(token))
      assert.ok(error.hints.includes(`holdfast login ${registry.host}`))
      return true
    })
    assert.equal(tokens.requests.length, 1)
  })

  /** A registry whose token endpoint replaces each token that it is shown, and loses an answer. */
  const losing = async (loses: (exchange: number) => boolean, rotates = true) => {
    const shown: string[] = []
    const registry = await startScriptedRegistry(({url, headers, body}, response) => {
      if (!url.startsWith('/token')) {
        if (headers.authorization !== undefined) return reply(response, 200, {'content-length': '5'})
        return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`})
      }
      shown.push(new URLSearchParams(body.toString()).get('refresh_token') ?? '')
      if (loses(shown.length)) return void response.destroy()
      reply(response, 200, {}, {access_token: `access-${shown.length}`, ...(rotates ? {refresh_token: `rotated-${shown.length}`} : {})})
    })
    afterwards(registry.close)
    return {registry, shown}
  }

  it('is not shown again when the answer was lost: neither at once, nor for another repository', async () => {
    const {registry, shown} = await losing((exchange) => exchange === 1)
    const {store, close} = storeFor(registry.host, {credentials: keeper('first').lookup})
    afterwards(close)
    for (const repository of [REPOSITORY, OTHER]) await assert.rejects(store.statBlob(repository, BLOB.digest), {code: 'NETWORK'})
    assert.deepEqual(shown, ['first'])
  })

  it('is asked for again after a lost answer, since another run may have exchanged it', async () => {
    const {registry, shown} = await losing((exchange) => exchange === 1)
    const {kept, lookup} = keeper('first')
    const {store, close} = storeFor(registry.host, {credentials: lookup})
    afterwards(close)
    await assert.rejects(store.statBlob(REPOSITORY, BLOB.digest), {code: 'NETWORK'})
    kept.push('of another run')
    assert.equal(await store.statBlob(OTHER, BLOB.digest), 5)
    assert.deepEqual(shown, ['first', 'of another run'])
  })

  it('is shown again after a lost answer where the endpoint lets tokens stay as they are', async () => {
    const {registry, shown} = await losing((exchange) => exchange === 2, false)
    const {store, close} = storeFor(registry.host, {credentials: keeper('first').lookup})
    afterwards(close)
    assert.equal(await store.statBlob(REPOSITORY, BLOB.digest), 5)
    await assert.rejects(store.statBlob(OTHER, BLOB.digest), {code: 'NETWORK'})
    assert.equal(await store.statBlob(OTHER, BLOB.digest), 5)
    assert.deepEqual(shown, ['first', 'first', 'first'])
  })

  it('is sent again as long as no byte of it went out', async () => {
    const {registry, shown} = await losing(() => false)
    const realm = await startScriptedRegistry((_seen, response) => reply(response, 500))
    await realm.close()
    registry.answer = (_seen, response) => reply(response, 401, {'www-authenticate': `Bearer realm="${realm.url}/token",service="s"`})
    const {store, clock, close} = storeFor(registry.host, {credentials: keeper('first').lookup})
    afterwards(close)
    await assert.rejects(
      store.statBlob(REPOSITORY, BLOB.digest),
      (error) => hasCode(error, 'NETWORK') && error.details.requestSent === false,
    )
    assert.deepEqual([clock.slept.length, shown.length], [4, 0])
  })

  it('of a locked account tells so', async () => {
    const {tokens, registry} = await start()
    const {lookup} = keeper(tokens.issueRefreshToken('alice'))
    tokens.lock('alice')
    await assert.rejects(open(registry, lookup).store.statBlob(REPOSITORY, BLOB.digest), {code: 'ACCOUNT_LOCKED'})
    assert.equal(tokens.requests.length, 1)
  })

  it('that the endpoint repeats in its refusal is masked', async () => {
    const {tokens, registry} = await start()
    const token = tokens.issueRefreshToken('alice')
    tokens.fault = () => ({status: 400, body: {error: 'invalid_grant', error_description: `unknown token ${token}`}})
    await assert.rejects(open(registry, keeper(token).lookup).store.statBlob(REPOSITORY, BLOB.digest), (error) => {
      assert.ok(hasCode(error, 'UNAUTHENTICATED'))
      assert.match(error.message, /unknown token \*\*\*/)
      return true
    })
  })
})
