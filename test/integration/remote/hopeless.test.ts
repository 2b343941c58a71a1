/** Failures that another try does not cure: they are repeated once, or not at all. */
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {CollectingSink} from '../../../src/lib/content/read-bytes.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startScriptedServer} from '../http/scripted-server.ts'
import {type Answer, REPOSITORY, reply, type Seen, sourceOf, startScriptedRegistry, storeFor, TAG} from './scripted-registry.ts'

/** A byte each 20 ms is far below it on any machine. */
const RATE = {bytesPerSecond: 10_000, windowMs: 240}
const DRIP_MS = 20
const BYTES = randomBytes(16 * 1024 * 1024)
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}

describe('the remote store', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (answer: Answer, readsBodyItself?: (seen: Seen) => boolean) => {
    const registry = await startScriptedRegistry(answer, readsBodyItself)
    afterwards(registry.close)
    const http = createWireClient({minimumRate: RATE})
    afterwards(() => http.close())
    return {registry, ...storeFor(registry.host, {http})}
  }
  const isTooSlow = (error: unknown): boolean => {
    assert.ok(hasCode(error, 'TIMEOUT'), String(error))
    assert.match(error.message, /only \d+ bytes moved in 0\.24 s/)
    assert.match(error.hints.join(), /--min-rate/)
    return true
  }

  describe('and a registry that is slower than the minimum rate', () => {
    /** Sends a byte now and then, of a body of that size. */
    const drip =
      (sizeBytes: number): Answer =>
      (_seen, response) => {
        response.writeHead(200, {'content-length': String(sizeBytes)})
        const timer = setInterval(() => response.write('x'), DRIP_MS)
        response.on('close', () => clearInterval(timer))
      }

    it('reads a manifest once more, since another connection may be faster, and says how to wait longer', async () => {
      const {store, registry} = await start(drip(1000))
      await assert.rejects(store.readManifest(REPOSITORY, TAG), isTooSlow)
      assert.equal(registry.seen.length, 2)
    })

    it('reads a blob once more', async () => {
      const {store, registry} = await start(drip(BLOB.size))
      await assert.rejects(store.readBlob(REPOSITORY, BLOB, new CollectingSink()), isTooSlow)
      assert.equal(registry.seen.length, 2)
    })

    it('sends a blob once more', async () => {
      const {store, registry} = await start(
        ({method}, response) => {
          if (method === 'POST') return reply(response, 202, {location: `/v2/${REPOSITORY}/blobs/uploads/1`})
          // The body of a PUT is left where it is.
          if (method !== 'PUT') reply(response, 404)
        },
        ({method}) => method === 'PUT',
      )
      await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), isTooSlow)
      assert.equal(registry.seen.filter(({method}) => method === 'PUT').length, 2)
    })
  })

  describe('and a registry that stands still', () => {
    const silent = async (answer: Answer, readsBodyItself?: (seen: Seen) => boolean) => {
      const registry = await startScriptedRegistry(answer, readsBodyItself)
      afterwards(registry.close)
      const http = createWireClient({idleTimeoutMs: 200})
      afterwards(() => http.close())
      return {registry, ...storeFor(registry.host, {http})}
    }

    it('asks it once more', async () => {
      const {store, registry} = await silent(() => {})
      await assert.rejects(store.readManifest(REPOSITORY, TAG), (error) => hasCode(error, 'TIMEOUT'))
      assert.equal(registry.seen.length, 2)
    })

    it('sends it a blob once more', async () => {
      const {store, registry} = await silent(
        ({method}, response) => {
          if (method === 'POST') return reply(response, 202, {location: `/v2/${REPOSITORY}/blobs/uploads/1`})
          if (method !== 'PUT') reply(response, 404)
        },
        ({method}) => method === 'PUT',
      )
      await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), (error) => hasCode(error, 'TIMEOUT'))
      assert.equal(registry.seen.filter(({method}) => method === 'PUT').length, 2)
    })
  })

  describe('and a server that breaks the rules of HTTP', () => {
    for (const [what, answer] of [
      ['control characters in a header', 'HTTP/1.1 200 OK\r\nX-A: a\u0001b\r\nContent-Length: 0\r\n\r\n'],
      ['two sizes of one body', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
      ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ] as const) {
      it(`asks it once, for ${what}`, async () => {
        const server = await startScriptedServer(async (peer) => {
          await peer.readHead()
          peer.socket.write(answer, 'latin1')
        })
        afterwards(server.stop)
        const {store, close} = storeFor(server.url.host)
        afterwards(close)
        await assert.rejects(store.readManifest(REPOSITORY, TAG), (error) => hasCode(error, 'NETWORK'))
        assert.equal(server.peers.length, 1)
        await assert.rejects(store.readBlob(REPOSITORY, BLOB, new CollectingSink()), (error) => hasCode(error, 'NETWORK'))
        assert.equal(server.peers.length, 2)
      })
    }
  })
})
