/** A user who declares a registry that belongs to others finds nothing in the searches of its users. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, request} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {hashPassword} from '../../../src/lib/accounts/password.ts'
import {manageRegistry, updateManagedRegistry} from '../../../src/lib/collector/api/registries.ts'
import type {User} from '../../../src/lib/collector/objects.ts'
import {createSecretMaker} from '../../../src/lib/collector/secret-maker.ts'
import {openCollectorStore} from '../../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../../src/lib/collector/store.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {createServedCollector} from '../../../src/lib/server/collector/served-collector.ts'
import {hashOpaqueToken} from '../../../src/lib/tokens/opaque-token.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'

const PASSWORD = new Secret('correct horse')
const SECRET = 'hfe_secret'
const AUTHORIZATION = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`
const DIGEST = `sha256:${'a'.repeat(64)}`
const FACTS = {insecure: false, restricted: true, tokenHeader: 'x5c', tokenLifeSeconds: 900} as const

describe('a search of a registry', () => {
  const afterwards = cleanUpAfterwards()
  let store: CollectorStore
  let ann: User
  let port: number
  /** The services that registries ask tokens for, by their URLs. */
  let services: Map<string, string>
  let asked: string[]

  beforeEach(async () => {
    services = new Map()
    asked = []
    const directory = await createTemporaryDirectory('search-hijack')
    afterwards(directory.remove)
    store = await openCollectorStore({file: join(directory.path, 'c.db')})
    afterwards(() => store.close())
    const {id: team} = await store.addGroup('team')
    const added = await store.addUser({name: 'ann', source: 'internal', passwordHash: await hashPassword(PASSWORD)})
    for (const group of [
      team,
      (await store.findGroup('DockerRegistriesPuller'))?.id,
      (await store.findGroup('DockerRegistriesManager'))?.id,
    ]) {
      if (group !== undefined) await store.addMember(group, added.id)
    }
    ann = (await store.findUser('ann')) ?? assert.fail()
    const embedded = await store.addManagedRegistry({...FACTS, name: 'embedded', service: 'embedded', url: 'https://r.example.com'})
    await publish(embedded.id)
    const collector = await createServedCollector({
      store,
      embedded,
      issuer: 'holdfast',
      isSecure: true,
      trustedProxies: [],
      version: '1',
      embeddedStore: {statManifest: async () => undefined},
      federation: {providers: [], identify: async () => ({kind: 'refused', reason: 'none'})},
      directories: [],
      openSource: async () => {
        throw new HoldfastError('NETWORK', 'cannot sweep here')
      },
      openRepository: async () => {
        throw new HoldfastError('NETWORK', 'cannot delete here')
      },
      openProbe:
        async ({url}) =>
        async (_path, token) => {
          asked.push(url)
          const service = services.get(url)
          if (service === undefined) throw new HoldfastError('NETWORK', 'cannot connect')
          if (token !== undefined) return {status: 200, headers: {}}
          return {status: 401, headers: {'www-authenticate': `Bearer realm="https://c.example.com/token",service="${service}"`}}
        },
    })
    afterwards(() => collector.close())
    const server = createServer(collector.others).listen(0, '127.0.0.1')
    afterwards(() => new Promise((resolve) => server.close(resolve)))
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })

  const publish = async (id: number): Promise<void> => {
    const group = (await store.findGroup('team'))?.id ?? assert.fail()
    await store.updateManagedRegistry(id, {publications: [group], responsibles: [group], eventsSecretHash: hashOpaqueToken(SECRET)})
  }
  const add = async (name: string, url: string): Promise<void> => {
    const {id} = await store.addManagedRegistry({...FACTS, name, service: name, url})
    await publish(id)
  }
  const send = async (path: string, headers: Record<string, string>, body?: string) => {
    const sent = request({port, path, method: body === undefined ? 'GET' : 'POST', headers: {connection: 'close', ...headers}})
    sent.end(body)
    const [response] = await once(sent, 'response')
    return {status: response.statusCode as number, body: await text(response)}
  }
  const push = async (registry: string, repository: string) => {
    const target = {repository, tag: 'v1', digest: DIGEST, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1}
    const event = {
      id: `${registry}-${repository}`,
      timestamp: '2026-01-01T00:00:00Z',
      action: 'push',
      target,
      request: {id: 'r'},
      actor: {},
    }
    const headers = {authorization: `Bearer ${SECRET}`, 'content-type': 'application/vnd.docker.distribution.events.v1+json'}
    return (await send(`/events/${registry}`, headers, JSON.stringify({events: [event]}))).status
  }
  const find = async (path: string, host = 'c.example.com', authorization = AUTHORIZATION) => {
    const {status, body} = await send(path, {host, authorization})
    assert.equal(status, 200, body)
    return (JSON.parse(body) as {results: {name: string}[]}).results.map(({name}) => name)
  }

  it('finds what a proven registry has, by its host and by its name, and of that registry only', async () => {
    services.set('https://lab.example.com', 'lab').set('https://other.example.com', 'other')
    await add('lab', 'https://lab.example.com')
    await add('other', 'https://other.example.com')
    assert.deepEqual([await push('lab', 'web'), await push('other', 'web-two'), await push('embedded', 'web-three')], [202, 202, 202])
    for (const host of ['lab.example.com', 'LAB.example.com:443', 'lab.example.com.'])
      assert.deepEqual(await find('/v1/search?q=web', host), ['web'])
    assert.deepEqual(await find('/search/lab?q=web'), ['web'])
    assert.deepEqual(await find('/search/other?q=web'), ['web-two'])
    assert.deepEqual(await find('/v1/search?q=web', 'r.example.com'), ['web-three'])
    assert.deepEqual(await find('/v1/search?q=web', 'unknown.example.com'), [])
    assert.deepEqual(await find('/search/unknown?q=web'), [])
  })

  it('finds nothing that a user wrote into a registry of others, and the true one as soon as it is there', async () => {
    services.set('https://victim.example.com', 'victim')
    await add('evil', 'https://victim.example.com')
    assert.equal(await push('evil', 'official'), 202)
    for (const path of ['/v1/search?q=', '/search/evil?q=']) assert.deepEqual(await find(path, 'victim.example.com'), [], path)
    assert.deepEqual((await store.listEvents({limit: 10})).length, 1, 'what was delivered is in the log')
    const evil = (await store.findManagedRegistry({name: 'evil'})) ?? assert.fail()
    assert.deepEqual([evil.provenAt, await store.countRepositories(evil.id)], [undefined, 0])
  })

  it('is never that of the registry of serve where another one has proven that it is behind the same name', async () => {
    assert.equal(await push('embedded', 'embedded-web'), 202)
    assert.deepEqual(await find('/v1/search?q=web', 'r.example.com'), ['embedded-web'])
    services.set('https://r.example.com', 'internal')
    await add('internal', 'https://r.example.com')
    assert.equal(await push('internal', 'internal-web'), 202)
    // An index of the searches before is used until a newer one is made.
    await until(async () => (await find('/v1/search?q=web', 'r.example.com')).join() === 'internal-web')
    assert.deepEqual(await find('/search/embedded?q=web', 'r.example.com'), ['embedded-web'])
  })

  it('is refused for a token of another registry than the path names', async () => {
    services.set('https://lab.example.com', 'lab').set('https://other.example.com', 'other')
    await add('lab', 'https://lab.example.com')
    await add('other', 'https://other.example.com')
    await push('lab', 'web')
    const {body} = await send('/token?service=lab&scope=registry:catalog:search', {host: 'c.example.com', authorization: AUTHORIZATION})
    const bearer = `Bearer ${(JSON.parse(body) as {token: string}).token}`
    assert.deepEqual(await find('/v1/search?q=', 'other.example.com', bearer), ['web'])
    assert.deepEqual(await find('/search/lab?q=', 'c.example.com', bearer), ['web'])
    assert.deepEqual(await find('/search/other?q=', 'c.example.com', bearer), [])
  })

  it('asks a registry that proves nothing once, however many events it sends', async () => {
    await add('evil', 'https://victim.example.com')
    asked.length = 0
    for (let count = 0; count < 5; count++) assert.equal(await push('evil', `web-${count}`), 202)
    assert.ok(asked.length <= 1, asked.join())
  })

  it('knows one registry a place, whatever its URL is written like, and says what conflicts', async () => {
    const call = {store, secrets: createSecretMaker(), now: () => new Date(), caller: {kind: 'user', user: ann}} as const
    await manageRegistry.run({name: 'lab', url: 'https://lab.example.com'}, call)
    for (const url of ['https://lab.example.com', 'http://LAB.example.com', 'https://lab.example.com:443', 'https://lab.example.com.']) {
      await assert.rejects(manageRegistry.run({name: 'two', url, service: 'two'}, call), (error) => {
        return hasCode(error, 'CONFLICT') && error.message === `cannot add registry "two": another registry is at "${url}"`
      })
    }
    await assert.rejects(
      manageRegistry.run({name: 'two', url: 'https://two.example.com', service: 'lab.example.com'}, call),
      (error) => hasCode(error, 'CONFLICT') && /another registry has the service "lab\.example\.com"/.test(error.message),
    )
    await manageRegistry.run({name: 'two', url: 'https://two.example.com'}, call)
    await assert.rejects(
      updateManagedRegistry.run({name: 'two', url: 'https://lab.example.com'}, call),
      (error) => hasCode(error, 'CONFLICT') && /^cannot change registry "two": another registry is at/.test(error.message),
    )
  })

  it('is not the place where metrics are read through a proxy of this machine', async () => {
    assert.equal((await send('/metrics', {})).status, 200)
    for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']) {
      assert.equal((await send('/metrics', {[name]: '127.0.0.1'})).status, 401, name)
    }
  })

  it('leaves the name and the service of the registry of serve to it', async () => {
    const call = {store, secrets: createSecretMaker(), now: () => new Date(), caller: {kind: 'user', user: ann}} as const
    await store.removeManagedRegistry((await store.findManagedRegistry({name: 'embedded'}))?.id ?? 0)
    const reserved = (error: unknown): boolean => hasCode(error, 'USAGE') && /is the registry of serve/.test(error.message)
    await assert.rejects(manageRegistry.run({name: 'embedded', url: 'https://evil.example.com'}, call), reserved)
    await assert.rejects(manageRegistry.run({name: 'evil', url: 'https://evil.example.com', service: 'embedded'}, call), reserved)
  })
})
