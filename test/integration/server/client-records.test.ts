import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {createAddressPolicy} from '../../../src/lib/core/address-policy.ts'
import {ClientRecords} from '../../../src/lib/server/client-records.ts'
import {reply} from '../../../src/lib/server/exchange.ts'
import {parseRoute} from '../../../src/lib/server/route.ts'

const MINUTE_MS = 60_000
const INDEX = `sha256:${'a'.repeat(64)}`
const CHILD = `sha256:${'b'.repeat(64)}`
const BLOB = `sha256:${'c'.repeat(64)}`

describe('what clients pulled', () => {
  let server: Server
  let records: ClientRecords
  let nowMs: number

  beforeEach(async () => {
    nowMs = Date.UTC(2026, 0, 1)
    records = new ClientRecords({now: () => nowMs, isProxy: createAddressPolicy(['127.0.0.1', '10.9.0.0/16'])})
    server = createServer((request, response) => {
      const [path = '', query] = (request.url ?? '').split('?')
      const exchange = {
        request,
        response,
        query: new URLSearchParams(query),
        signal: AbortSignal.timeout(MINUTE_MS),
        traffic: {received: 0, sent: 0},
        body: {tooSlow: () => {}},
      }
      const route = parseRoute(path)
      assert.ok(route !== undefined)
      records.watch(exchange, 'docker.io', route)
      reply(exchange, path.includes('missing') ? 404 : 200, {}, 'x'.repeat(100))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  afterEach(() => void server.close())

  async function send(method: 'GET' | 'HEAD', path: string, from?: string): Promise<void> {
    const {port} = server.address() as AddressInfo
    const headers: Record<string, string> = from === undefined ? {} : {'x-forwarded-for': from}
    const answer = await fetch(`http://127.0.0.1:${port}/v2/library/${path}`, {method, headers})
    await answer.arrayBuffer()
  }

  const images = () => records.list().map(({address, pulls, images: pulled}) => [address, pulls, pulled.map(({image}) => image)])

  it('are the images by the tag that a client named, however it fetched them', async () => {
    // podman: the tag, then its platform by digest. containerd: a look at the tag, then digests.
    for (const path of ['alpine/manifests/3.20', `alpine/manifests/${CHILD}`, `alpine/blobs/${BLOB}`]) await send('GET', path, '10.1.0.1')
    await send('HEAD', 'redis/manifests/8', '10.1.0.2')
    for (const path of [`redis/manifests/${INDEX}`, `redis/manifests/${CHILD}`]) await send('GET', path, '10.1.0.2')
    nowMs += 2 * MINUTE_MS
    await send('GET', `redis/manifests/${INDEX}`, '10.1.0.2')
    assert.deepEqual(images(), [
      ['10.1.0.2', 2, [`docker.io/library/redis@${INDEX}`, 'docker.io/library/redis:8']],
      ['10.1.0.1', 1, ['docker.io/library/alpine:3.20']],
    ])
    const [, first] = records.list()
    assert.deepEqual([first?.sentBytes, first?.lastPulledAt.getTime()], [300, Date.UTC(2026, 0, 1)])
  })

  it('are neither looks, nor what was not there', async () => {
    await send('HEAD', 'alpine/manifests/3.20', '10.1.0.1')
    await send('GET', 'missing/manifests/3.20', '10.1.0.1')
    await send('GET', `alpine/blobs/${BLOB}`, '10.1.0.1')
    assert.deepEqual(images(), [])
  })

  it('are those of the last address of the chain that is no proxy', async () => {
    for (const chain of [undefined, '10.1.0.1', '10.1.0.9, 10.1.0.2', '10.1.0.3, 10.9.0.1', 'nonsense', '10.9.0.2', '::ffff:10.1.0.4'])
      await send('GET', 'alpine/manifests/3.20', chain)
    assert.deepEqual(
      records
        .list()
        .map(({address}) => address)
        .toSorted(),
      ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', '10.9.0.2', '127.0.0.1'],
    )
  })

  it('are forgotten, oldest first, of more clients than are remembered, and of more images of one client', async () => {
    for (let index = 0; index < 25; index++) await send('GET', `alpine/manifests/${index}`, '10.1.0.1')
    assert.deepEqual([records.list()[0]?.images.length, records.list()[0]?.images[0]?.image], [20, 'docker.io/library/alpine:24'])
    for (let index = 0; index < 2_000; index++) await send('GET', 'alpine/manifests/1', `10.2.${index >> 8}.${index & 255}`)
    const addresses = records.list().map(({address}) => address)
    assert.deepEqual([addresses.length, addresses.includes('10.1.0.1')], [2_000, false])
  })
})
