/** Addresses are judged where connections are made: whatever a name resolves to at that moment. */
import assert from 'node:assert/strict'
import {isIP} from 'node:net'
import {createReferralGuard} from '../../../src/lib/content/remote/referral-guard.ts'
import {RegistrySession} from '../../../src/lib/content/remote/session.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import type {ResolveHost} from '../../../src/lib/http/wire/guarded-lookup.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startForwardProxy} from '../../support/forward-proxy.ts'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../remote/scripted-registry.ts'

describe('a connection to where a registry leads', () => {
  const afterwards = cleanUpAfterwards()

  const start = async (answer: Answer): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry(answer)
    afterwards(registry.close)
    return registry
  }
  const portOf = ({host}: ScriptedRegistry): string => host.split(':')[1] ?? ''

  /** Resolves names as the table has it at that moment; each call takes the next list of a name, and the last one stays. */
  function resolver(table: Record<string, (readonly string[])[]>): {readonly resolve: ResolveHost; readonly asked: string[]} {
    const asked: string[] = []
    return {
      asked,
      resolve: (hostname, _options, answer) => {
        asked.push(hostname)
        const lists = table[hostname] ?? []
        const addresses = (lists.length > 1 ? lists.shift() : lists[0]) ?? []
        if (addresses.length === 0) answer(Object.assign(new Error('no such host'), {code: 'ENOTFOUND'}), [])
        else
          answer(
            null,
            addresses.map((address) => ({address, family: isIP(address)})),
          )
      },
    }
  }

  /** Asks a registry, which is `registry.test` at these addresses, for something; the names of its answers are resolved by the same table. */
  async function ask(
    registry: ScriptedRegistry,
    table: Record<string, (readonly string[])[]>,
    trustedHosts: readonly string[] = [],
    proxyFor?: (url: URL) => URL | undefined,
  ) {
    const endpoint = {
      registry: `registry.test:${portOf(registry)}` as RegistryHost,
      plainHttp: 'always' as const,
      tls: {},
      capabilities: {},
      trustedHosts,
    }
    const {resolve, asked} = resolver(table)
    const http = createWireClient({
      guard: createReferralGuard(endpoint),
      resolveHost: resolve,
      connectTimeoutMs: 500,
      ...(proxyFor === undefined ? {} : {proxyFor}),
    })
    afterwards(() => http.close())
    const session = new RegistrySession({endpoint, http, credentials: async () => ({kind: 'basic', username: 'alice', password: 'pw'})})
    const request = {method: 'GET' as const, target: '/v2/x', access: {scopes: []}, action: 'read "x"', attempts: 1}
    return {asked, response: session.send(request)}
  }

  const redirectTo = (target: () => string): Promise<ScriptedRegistry> =>
    start((seen, response) => (seen.url === '/v2/x' ? reply(response, 307, {location: target()}) : reply(response, 200)))

  it('is refused where one of the addresses of a name is link-local, metadata or none, in whatever spelling', async () => {
    const registry = await redirectTo(() => `http://storage.test:${portOf(storage)}/b`)
    const storage = await start((_seen, response) => reply(response, 200))
    for (const addresses of [['169.254.169.254'], ['64:ff9b::a9fe:a9fe'], ['0.0.0.0'], ['203.0.113.5', '169.254.169.254']]) {
      const {response} = await ask(registry, {'registry.test': [['127.0.0.1']], 'storage.test': [addresses]})
      await assert.rejects(response, (error) => hasCode(error, 'UNTRUSTED_HOST') && error.hints.length === 0, addresses.join())
    }
    assert.equal(storage.seen.length, 0)
  })

  it('is made to the very address that was judged, so that a name cannot change in between', async () => {
    const registry = await redirectTo(() => `http://storage.test:${portOf(storage)}/b`)
    const storage = await start((_seen, response) => reply(response, 200))
    const table = {'registry.test': [['127.0.0.1']], 'storage.test': [['127.0.0.1'], ['169.254.169.254']]}
    const {response, asked} = await ask(registry, table)
    assert.equal((await response).status, 200)
    assert.deepEqual(asked, ['registry.test', 'storage.test'], 'what is judged is what is connected to: nothing is resolved twice')
    assert.equal(storage.seen.length, 1)
  })

  it('is made on loopback for a registry on loopback', async () => {
    const registry = await redirectTo(() => `http://storage.test:${portOf(storage)}/b`)
    const storage = await start((_seen, response) => reply(response, 200))
    const {response} = await ask(registry, {'registry.test': [['127.0.0.1']], 'storage.test': [['127.0.0.1']]})
    assert.equal((await response).status, 200)
    assert.equal(storage.seen[0]?.headers.authorization, undefined)
  })

  /** A registry that leads to `target`, and a proxy that resolves every name to the storage. */
  async function startProxied() {
    const storage = await start((_seen, response) => reply(response, 200))
    const state = {target: 'http://storage.test/b'}
    const registry = await redirectTo(() => state.target)
    const names = ['storage.test', 'inner.test', '127.0.0.1', '10.1.2.3']
    const proxy = await startForwardProxy({
      [`registry.test:${portOf(registry)}`]: Number(portOf(registry)),
      ...Object.fromEntries(names.map((name) => [`${name}:80`, Number(portOf(storage))])),
    })
    afterwards(proxy.stop)
    return {storage, state, registry, rule: () => new URL(proxy.url)}
  }

  it('is refused behind a proxy for an address that is refused without one, in whatever spelling', async () => {
    const {storage, state, registry, rule} = await startProxied()
    for (state.target of ['http://127.0.0.1/b', 'http://10.1.2.3/b', 'http://2852039166/b', 'http://[::ffff:169.254.169.254]/b']) {
      const {response} = await ask(registry, {}, [], rule)
      await assert.rejects(response, (error) => hasCode(error, 'UNTRUSTED_HOST'), state.target)
    }
    assert.equal(storage.seen.length, 0)
    state.target = 'http://10.1.2.3/b'
    const trusted = await ask(registry, {}, ['10.1.2.3'], rule)
    assert.equal((await trusted.response).status, 200)
  })

  it('is refused behind a proxy for a name that resolves inwards here, though the registry was asked through the same proxy', async () => {
    const {storage, state, registry, rule} = await startProxied()
    for (const [addresses, own] of [
      [['169.254.169.254'], []],
      [['203.0.113.5', '10.1.2.3'], []],
      [['127.0.0.1'], ['203.0.113.9']],
      [['10.1.2.3'], ['203.0.113.9']],
    ] as const) {
      state.target = 'http://inner.test/b'
      const {response} = await ask(registry, {'inner.test': [addresses], 'registry.test': [own]}, [], rule)
      await assert.rejects(response, (error) => hasCode(error, 'UNTRUSTED_HOST'), addresses.join())
    }
    assert.equal(storage.seen.length, 0)
  })

  it('is left to the proxy for a name that does not resolve here, and is asked for once', async () => {
    const {storage, registry, rule} = await startProxied()
    const {response, asked} = await ask(registry, {}, [], rule)
    assert.equal((await response).status, 200)
    assert.deepEqual([storage.seen.length, asked.filter((name) => name === 'storage.test').length], [1, 1])
  })

  it('leads behind a proxy into the private network that the registry is in', async () => {
    const {storage, state, registry, rule} = await startProxied()
    state.target = 'http://inner.test/b'
    const {response} = await ask(registry, {'inner.test': [['10.1.2.3']], 'registry.test': [['10.1.2.9']]}, [], rule)
    assert.equal((await response).status, 200)
    assert.equal(storage.seen.length, 1)
  })

  it('is judged from the registry at each hop: a host that is trusted leads no further than the registry may', async () => {
    const inner = await start((_seen, response) => reply(response, 200))
    const trusted = await start((_seen, response) => reply(response, 307, {location: `${inner.url}/b`}))
    const registry = await redirectTo(() => `${trusted.url}/b`)
    const {response} = await ask(registry, {'registry.test': [['127.0.0.1']]}, [trusted.host])
    await assert.rejects(response, (error) => hasCode(error, 'UNTRUSTED_HOST') && /it is this machine/.test(error.message))
    assert.deepEqual([trusted.seen.length, inner.seen.length], [1, 0])
  })

  it('is judged for a token realm as well, also for one that is trusted', async () => {
    const realm = await start((_seen, response) => reply(response, 200, {}, {token: 't'}))
    const challenge = `Bearer realm="http://auth.test:${portOf(realm)}/token",service="s"`
    const registry = await start((_seen, response) => reply(response, 401, {'www-authenticate': challenge}))
    const {response} = await ask(registry, {'registry.test': [['127.0.0.1']], 'auth.test': [['169.254.169.254']]}, [
      `auth.test:${portOf(realm)}`,
    ])
    await assert.rejects(response, (error) => hasCode(error, 'UNTRUSTED_HOST') && /link-local or metadata/.test(error.message))
    assert.equal(realm.seen.length, 0)
  })
})
