import assert from 'node:assert/strict'
import {once} from 'node:events'
import {connect} from 'node:net'
import {connect as connectTls} from 'node:tls'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {MINIMUM_RATE, type MinimumRate} from '../../../src/lib/core/rate-watch.ts'
import type {HttpRequest} from '../../../src/lib/http/client.ts'
import {createWireClient, type WireClient} from '../../../src/lib/http/wire/client.ts'
import {sentBytes} from '../../../src/lib/http/wire/sent-bytes.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createCertificateAuthority} from '../../support/certificates.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'
import {HashingSink, type Peer, startScriptedServer, tlsOptionsOf} from './scripted-server.ts'

/** A byte each 20 ms is far below it, and a block of 64 KiB each 20 ms far above, on any machine. */
const RATE: MinimumRate = {bytesPerSecond: 10_000, windowMs: 240}
const DRIP_MS = 20
const FAST_BYTES = 64 * 1024
const UPLOAD_BYTES = 16 * 1024 * 1024

describe('the minimum rate of a request', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (script: (peer: Peer) => Promise<void>, tls?: Parameters<typeof startScriptedServer>[1]) => {
    const server = await startScriptedServer(script, tls)
    afterwards(server.stop)
    return server
  }
  const newClient = (minimumRate: MinimumRate | undefined, ca?: string): WireClient => {
    const client = createWireClient({minimumRate, ...(ca === undefined ? {} : {tlsFor: () => ({ca})})})
    afterwards(() => client.close())
    return client
  }
  /** Writes `bytes` again and again until the peer has gone. */
  const drip = (peer: Peer, bytes: Buffer): void => {
    const timer = setInterval(() => peer.socket.write(bytes), DRIP_MS)
    peer.socket.on('close', () => clearInterval(timer))
  }
  const isTooSlow = (error: unknown): boolean => {
    assert.ok(hasCode(error, 'TIMEOUT'), String(error))
    assert.match(error.message, /only \d+ bytes moved in 0\.24 s, less than 10000 bytes a second/)
    assert.match(error.hints.join(), /HOLDFAST_MIN_RATE=0/)
    return true
  }

  for (const [what, head] of [
    ['a body of known size', 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n'],
    ['a body that lasts until the connection closes', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['a head that does not end', 'HTTP/1.1 200 OK\r\nX-A: '],
  ] as const) {
    it(`ends ${what}, a byte now and then, though no idle time-out fires`, async () => {
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.write(head)
        drip(peer, Buffer.from('x'))
      })
      const sink = new HashingSink('at-once', true)
      await assert.rejects(newClient(RATE).request({method: 'GET', url: server.url, sinkFor: () => sink}), isTooSlow)
    })
  }

  it('lets a transfer through that is fast enough, however many windows it takes', async () => {
    const blocks = 60
    const server = await start(async (peer) => {
      await peer.readHead()
      peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${blocks * FAST_BYTES}\r\n\r\n`)
      drip(peer, Buffer.alloc(FAST_BYTES))
    })
    const sink = new HashingSink('at-once', true)
    await newClient(RATE).request({method: 'GET', url: server.url, sinkFor: () => sink})
    assert.equal(sink.sizeBytes, blocks * FAST_BYTES)
  })

  it('does not blame the source for a receiver that takes its time', async () => {
    const body = Buffer.alloc(600 * 1024)
    const server = await start(async (peer) => {
      await peer.readHead()
      peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
      peer.socket.write(body)
    })
    const sink = new HashingSink('slow', false, RATE.windowMs * 3)
    await newClient({...RATE, bytesPerSecond: 100_000_000}).request({method: 'GET', url: server.url, sinkFor: () => sink})
    assert.equal(sink.sizeBytes, body.length)
  })

  it('does not blame a server for its time to think before it answers', async () => {
    const server = await start(async (peer) => {
      await peer.readHead()
      setTimeout(() => peer.socket.write('HTTP/1.1 204 No Content\r\n\r\n'), RATE.windowMs * 3)
    })
    assert.equal((await newClient(RATE).request({method: 'GET', url: server.url})).status, 204)
  })

  it('holds for bodies that we send as well, which the server hardly reads', async () => {
    const server = await start(async (peer) => {
      peer.socket.pause()
      const timer = setInterval(() => peer.socket.read(1), DRIP_MS)
      peer.socket.on('close', () => clearInterval(timer))
    })
    const request: HttpRequest = {method: 'PUT', url: server.url, body: Buffer.alloc(UPLOAD_BYTES)}
    await assert.rejects(newClient(RATE).request(request), isTooSlow)
  })

  it('does not blame the target for a source that takes its time', async () => {
    const server = await start(async (peer) => {
      await peer.readHead()
      await peer.readBody(2)
      peer.socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n')
    })
    const body = {
      sizeBytes: 2,
      send: async (sink: {write(chunk: Uint8Array, release: () => void): boolean}) => {
        await new Promise<void>((resolve) => void sink.write(Buffer.from('a'), resolve))
        await new Promise((resolve) => setTimeout(resolve, RATE.windowMs * 3))
        await new Promise<void>((resolve) => void sink.write(Buffer.from('b'), resolve))
      },
    }
    assert.equal((await newClient(RATE).request({method: 'PUT', url: server.url, body})).status, 201)
  })

  for (const isTls of [false, true]) {
    it(`sees within one large write${isTls ? ' over TLS' : ''} that bytes move`, async () => {
      const directory = await createTemporaryDirectory('minimum-rate')
      afterwards(directory.remove)
      const authority = await createCertificateAuthority(directory.path)
      const server = await start(
        async (peer) => {
          peer.socket.removeAllListeners('data')
          peer.socket.pause()
        },
        isTls ? await tlsOptionsOf(await authority.issue('slow')) : undefined,
      )
      const socket = isTls ? connectTls({port: server.port, host: '127.0.0.1', ca: authority.ca}) : connect(server.port, '127.0.0.1')
      afterwards(() => void socket.destroy())
      await once(socket, isTls ? 'secureConnect' : 'connect')
      socket.write(Buffer.alloc(UPLOAD_BYTES))
      // The system takes what its buffers hold, and then nothing while the peer does not read.
      let before = -1
      await until(() => {
        const now = sentBytes(socket)
        const isStill = now === before
        before = now
        return isStill
      })
      assert.ok(before < UPLOAD_BYTES, `${before} bytes were taken at once`)
      server.peers[0]?.socket.on('data', () => {}).resume()
      await until(() => sentBytes(socket) > before)
      assert.ok(socket.writableLength === 0 || socket.writableLength === UPLOAD_BYTES)
      await until(() => sentBytes(socket) >= UPLOAD_BYTES)
    })
  }

  it('is none at 0', async () => {
    const server = await start(async (peer) => {
      await peer.readHead()
      peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n')
      drip(peer, Buffer.from('x'))
    })
    const {body} = await newClient({...RATE, bytesPerSecond: 0}).request({method: 'GET', url: server.url})
    assert.equal(body.length, 40)
  })

  it('is 1 kB/s over a minute unless it is set', () => {
    assert.deepEqual(MINIMUM_RATE, {bytesPerSecond: 1000, windowMs: 60_000})
  })
})
