/** Registries in Consul: against a fake that keeps its contract, and, where the machine has one, against a genuine agent. */
import assert from 'node:assert/strict'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {SYSTEM_CLOCK} from '../../../src/lib/core/retry.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {
  type ConsulOptions,
  createConsulSource,
  deregisterInstance,
  type Registration,
  registerInstance,
} from '../../../src/lib/service-discovery/consul.ts'
import {createDnsSource} from '../../../src/lib/service-discovery/dns.ts'
import {type Consul, findConsul, startConsul} from '../../support/consul.ts'
import {type FakeConsul, startFakeConsul} from '../../support/fake-consul.ts'

const NETWORK = {sleep: SYSTEM_CLOCK.sleep}

const registration = (id: string, port: number, change: Partial<Registration> = {}): Registration => ({
  id,
  name: 'docker-registry',
  address: '127.0.0.1',
  port,
  tags: ['cache'],
  check: {url: `http://127.0.0.1:${port}/v2/`, interval: '10s', deregisterAfter: '90m', skipTlsVerify: false},
  ...change,
})

describe('registries in Consul', () => {
  let consul: FakeConsul
  let options: ConsulOptions

  beforeEach(async () => {
    consul = await startFakeConsul()
    options = {url: new URL(consul.url), network: NETWORK}
  })
  afterEach(() => consul.stop())

  const find = (change: Partial<ConsulOptions> = {}) => createConsulSource({...options, ...change}).find()

  it('are registered with a check, found, replaced, and taken away, as often as one likes', async () => {
    await registerInstance(options, registration('one', 8080))
    await registerInstance(options, registration('two', 8081))
    await registerInstance(options, registration('one', 8082))
    assert.deepEqual(await find(), [
      {host: '127.0.0.1', port: 8081},
      {host: '127.0.0.1', port: 8082},
    ])
    const check = consul.services[0]?.check
    assert.deepEqual(check, {HTTP: 'http://127.0.0.1:8081/v2/', Interval: '10s', Timeout: '5s', DeregisterCriticalServiceAfter: '90m'})
    for (const id of ['one', 'two', 'two', 'never']) await deregisterInstance(options, id)
    assert.deepEqual(await find(), [])
  })

  it('are where the service says, else where its node is, at their own port or the default one', async () => {
    const add = (id: string, more: object) =>
      consul.services.push({
        id,
        name: 'docker-registry',
        node: 'n',
        address: '10.0.0.1',
        serviceAddress: '',
        port: 0,
        tags: [],
        healthy: true,
        ...more,
      })
    add('node', {})
    add('own', {serviceAddress: '10.0.0.2', port: 5000})
    add('name', {serviceAddress: 'cache.example.com'})
    add('nonsense', {serviceAddress: 'a b'})
    const expected = [
      {host: '10.0.0.1', port: 8080},
      {host: '10.0.0.2', port: 5000},
      {host: 'cache.example.com', port: 8080},
    ]
    assert.deepEqual(await find(), expected)
    assert.equal((await find({defaultPort: 443}))[0]?.port, 443)
    consul.hasHealth = false
    assert.deepEqual(await find(), expected, 'by the catalog')
  })

  it('that are down are left out, but for a Consul that knows nothing of health', async () => {
    await registerInstance(options, registration('up', 8080))
    await registerInstance(options, registration('down', 8081))
    const down = consul.services.find(({id}) => id === 'down')
    if (down !== undefined) down.healthy = false
    assert.deepEqual(await find(), [{host: '127.0.0.1', port: 8080}])
    consul.hasHealth = false
    assert.equal((await find()).length, 2)
  })

  it('are narrowed by tag, and shown to who has the token', async () => {
    await registerInstance(options, registration('one', 8080))
    await registerInstance(options, registration('two', 8081, {tags: ['other']}))
    assert.deepEqual(await find({tag: 'other'}), [{host: '127.0.0.1', port: 8081}])
    consul.token = 'canary-token'
    assert.deepEqual(await find(), [])
    assert.equal((await find({token: new Secret('canary-token')})).length, 2)
    await assert.rejects(registerInstance(options, registration('three', 8082)), (error) => hasCode(error, 'DENIED'))
    await assert.rejects(
      createConsulSource({...options, url: new URL('http://127.0.0.1:1'), token: new Secret('canary-token')}).find(),
      (error) => hasCode(error, 'NETWORK') && !JSON.stringify(error).includes('canary'),
    )
  })

  it('are looked for again by a command of Consul when it cannot be reached', async () => {
    await assert.rejects(createConsulSource({...options, url: new URL('http://127.0.0.1:1')}).find(), (error) => {
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual(error.hints, ['curl -sS http://127.0.0.1:1/v1/status/leader'])
      return true
    })
  })

  it('cannot be asked for when Consul fails, or is something else, or the name is none', async () => {
    consul.status = 500
    await assert.rejects(find(), (error) => hasCode(error, 'REGISTRY_UNAVAILABLE'))
    consul.status = 404
    await assert.rejects(find(), (error) => hasCode(error, 'UNSUPPORTED'))
    consul.status = undefined
    await assert.rejects(
      async () => find({service: 'docker_registry'}),
      (error) => hasCode(error, 'USAGE'),
    )
    await assert.rejects(registerInstance(options, registration('x', 1, {name: 'a b'})), (error) => hasCode(error, 'USAGE'))
  })

  it('are told of whenever they change, through failures as well', async () => {
    const stop = new AbortController()
    const seen: number[] = []
    await registerInstance(options, registration('one', 8080))
    for await (const instances of createConsulSource(options).watch(stop.signal)) {
      seen.push(instances.length)
      if (seen.length === 1) setTimeout(() => void registerInstance(options, registration('two', 8081)), 20)
      if (seen.length === 2) {
        consul.status = 500
        consul.changed()
        setTimeout(() => {
          consul.status = undefined
          void deregisterInstance(options, 'one')
        }, 100)
      }
      if (seen.length === 3) stop.abort()
    }
    assert.deepEqual(seen, [1, 2, 1])
  })

  describe('at a genuine agent', function () {
    this.timeout(40_000)
    let agent: Consul | undefined

    before(async function () {
      const program = findConsul()
      if (program === undefined) {
        process.stderr.write('\n    SKIPPED: consul is not installed; HOLDFAST_TEST_CONSUL names one\n')
        return this.skip()
      }
      agent = await startConsul(program)
    })
    after(() => agent?.stop())

    it('are registered, found by health and by DNS, and taken away', async () => {
      const at = {url: new URL(agent?.url ?? ''), network: NETWORK}
      const source = createConsulSource(at)
      assert.deepEqual(await source.find(), [])
      // No check is passed before it was made: one that looks at the agent itself is passed soon.
      const check = {url: `${agent?.url}/v1/status/leader`, interval: '1s', deregisterAfter: '90m', skipTlsVerify: false}
      await registerInstance(at, registration('one', 8080, {check}))
      await registerInstance(at, registration('one', 8081, {check}))
      await registerInstance(at, registration('dead', 8082, {check: {...check, url: 'http://127.0.0.1:1/v2/'}}))
      const stop = new AbortController()
      for await (const instances of source.watch(stop.signal)) {
        if (instances.length === 0) continue
        assert.deepEqual(instances, [{host: '127.0.0.1', port: 8081}])
        stop.abort()
      }
      const dns = createDnsSource({name: 'docker-registry.service.consul', server: agent?.dnsServer, random: Math.random})
      const found = await dns.find()
      assert.deepEqual(
        found.map(({port}) => port),
        [8081],
      )
      await deregisterInstance(at, 'one')
      await deregisterInstance(at, 'one')
      assert.deepEqual(await source.find(), [])
    })
  })
})
