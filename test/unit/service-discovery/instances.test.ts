import assert from 'node:assert/strict'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {inOrder} from '../../../src/lib/service-discovery/dns.ts'
import {findInstances, withFailover} from '../../../src/lib/service-discovery/failover.ts'
import {createListedSource, formatInstance, parseInstance, type RegistryInstance} from '../../../src/lib/service-discovery/instance.ts'

const gone = () => new HoldfastError('NETWORK', 'connection refused')
const list = (...texts: readonly string[]) => createListedSource(texts)

describe('instances', () => {
  it('are read and written with a port, IPv6 in brackets', () => {
    for (const text of ['10.244.2.6:8080', 'cache.example.com:443', '[2001:db8::1]:5000', 'docker_registry.service:80']) {
      assert.equal(formatInstance(parseInstance(text)), text)
    }
    for (const text of ['10.0.0.1:0', '10.0.0.1:65536', ':80', '2001:db8::1:80', '[10.0.0.1]:80', 'http://a:80', 'a b:80', '']) {
      assert.throws(
        () => parseInstance(text),
        (error) => hasCode(error, 'USAGE'),
        text,
      )
    }
  })

  it('take the port of all where they name none', async () => {
    const found = await createListedSource(['10.0.0.1', 'cache.example.com', '[2001:db8::1]', '10.0.0.2:443'], 5000).find()
    assert.deepEqual(found.map(formatInstance), ['10.0.0.1:5000', 'cache.example.com:5000', '[2001:db8::1]:5000', '10.0.0.2:443'])
    assert.equal(formatInstance(parseInstance('10.0.0.1')), '10.0.0.1:8080')
  })

  it('are each there once', async () => {
    assert.equal((await list('a:1', 'b:1', 'a:1').find()).length, 2)
  })

  it('are begun with one by chance, so that users spread', async () => {
    const first = async (random: number) => (await findInstances(list('a:1', 'b:1', 'c:1'), {random: () => random}))[0]?.host
    assert.deepEqual([await first(0), await first(0.5), await first(0.99)], ['a', 'b', 'c'])
    await assert.rejects(
      findInstances({description: 'nowhere', emptyHints: [], find: async () => []}, {random: () => 0}),
      /missing docker registry/,
    )
  })

  it('of SRV records go by priority, then by weight', () => {
    const services = [
      {name: 'late', priority: 20, weight: 10},
      {name: 'heavy', priority: 10, weight: 90},
      {name: 'light', priority: 10, weight: 10},
    ]
    assert.deepEqual(
      inOrder(services, () => 0.1).map(({name}) => name),
      ['heavy', 'light', 'late'],
    )
    assert.deepEqual(
      inOrder(services, () => 0.95).map(({name}) => name),
      ['light', 'heavy', 'late'],
    )
    assert.equal(
      inOrder(
        [
          {priority: 1, weight: 0},
          {priority: 1, weight: 0},
        ],
        () => 0.999,
      ).length,
      2,
    )
  })

  it('that are gone make way for the next one', async () => {
    const tried: string[] = []
    const answer = await withFailover(list('a:1', 'b:1', 'c:1'), {random: () => 0}, async (instance) => {
      tried.push(instance.host)
      if (instance.host !== 'c') throw gone()
      return 'done'
    })
    assert.deepEqual([answer, tried], ['done', ['a', 'b', 'c']])
  })

  it('are looked for again when all are gone, and named when none was found then', async () => {
    const rounds: readonly (readonly RegistryInstance[])[] = [
      [{host: 'old', port: 1}],
      [
        {host: 'old', port: 1},
        {host: 'new', port: 2},
      ],
    ]
    let round = 0
    const moving = {description: 'moving', emptyHints: [], find: async () => rounds[Math.min(round++, 1)] ?? []}
    const answer = await withFailover(moving, {random: () => 0}, async ({host}) => {
      if (host === 'old') throw gone()
      return host
    })
    assert.equal(answer, 'new')
    await assert.rejects(
      withFailover(list('a:1', 'b:1'), {random: () => 0}, async () => {
        throw gone()
      }),
      (error) => hasCode(error, 'NETWORK') && JSON.stringify(error.details.instances) === '["a:1","b:1"]',
    )
  })

  it('are not changed for what is no fault of theirs', async () => {
    let tried = 0
    await assert.rejects(
      withFailover(list('a:1', 'b:1'), {random: () => 0}, async () => {
        tried++
        throw new HoldfastError('DENIED', 'no')
      }),
      (error) => hasCode(error, 'DENIED'),
    )
    assert.equal(tried, 1)
  })
})
