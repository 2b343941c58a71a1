/** Clients of a mirror over HTTP while a blob is on its way: one that reads nothing, late ones and ranges, none of which waits for another. */
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {type ServedMirror, serveMirror} from '../../../src/lib/server/mirror.ts'
import {FaultyUpstream} from '../../support/faulty-upstream.ts'
import {UNREAD_BYTES} from '../../support/holding-clients.ts'
import {type CachePlace, createCachePlace} from '../../support/pull-through.ts'
import {until} from '../../support/until.ts'

const REPOSITORY = parseRepositoryName('shop/web')
const BYTES = randomBytes(UNREAD_BYTES)
const HALF = BYTES.length / 2
const DIGEST = digestOf(BYTES)

for (const kind of ['a disk', 'a registry'] as const)
  describe(`a blob on its way into a mirror that keeps what it has in ${kind}`, function () {
    this.timeout(180_000)
    let place: CachePlace
    let mirror: ServedMirror
    let upstream: FaultyUpstream
    let url: string
    let sendRest: () => void
    let stalled: Socket

    beforeEach(async () => {
      place = await createCachePlace(kind)
      upstream = new FaultyUpstream()
      upstream.content.repository(REPOSITORY).blobs.set(DIGEST, BYTES)
      const {promise, resolve} = Promise.withResolvers<void>()
      sendRest = resolve
      upstream.content.readBlob = async (_repository, _blob, sink) => {
        await new Promise<void>((done) => sink.write(BYTES.subarray(0, HALF), done))
        await promise
        await new Promise<void>((done) => sink.write(BYTES.subarray(HALF), done))
      }
      mirror = await serveMirror({
        host: '127.0.0.1',
        port: 0,
        rules: [],
        upstreams: [
          {name: 'upstream.test', path: parseRepositoryName('upstream.test'), store: upstream, openCache: async () => place.openCache()},
        ],
      })
      url = `http://127.0.0.1:${mirror.address.port}/v2/${REPOSITORY}/blobs/${DIGEST}`
      stalled = connect(mirror.address.port, '127.0.0.1')
      stalled.on('error', () => {})
      await once(stalled, 'connect')
      stalled.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await once(stalled, 'readable')
    })

    afterEach(async () => {
      sendRest()
      stalled.destroy()
      await mirror.stop({graceMs: 0})
      await place.remove()
    })

    it('comes whole to one client while another one that asked before reads nothing', async () => {
      const whole = fetch(url).then(async (answer) => Buffer.from(await answer.arrayBuffer()))
      sendRest()
      assert.ok((await whole).equals(BYTES))
      stalled.destroy()
      assert.ok(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(BYTES))
      assert.equal(upstream.asked.filter(({what}) => what === 'read-blob').length, 1)
    })

    it('comes to late clients, and in ranges that are there, before its rest does', async () => {
      const range = await fetch(url, {headers: {range: `bytes=1000-${HALF - 1}`}})
      assert.equal(range.status, 206)
      assert.ok(Buffer.from(await range.arrayBuffer()).equals(BYTES.subarray(1000, HALF)))
      const {body} = await fetch(url)
      let received = 0
      const reading = (async () => {
        for await (const chunk of body ?? []) received += chunk.length
      })()
      await until(() => received === HALF)
      sendRest()
      await reading
      assert.equal(received, BYTES.length)
    })
  })
