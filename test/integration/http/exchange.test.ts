import assert from 'node:assert/strict'
import {getEventListeners} from 'node:events'
import {createServer} from 'node:net'
import {setImmediate as setImmediatePromise, setTimeout as sleep} from 'node:timers/promises'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createWireClient, type ObservedExchange, type WireClient, type WireClientOptions} from '../../../src/lib/http/wire/client.ts'
import {MAX_IDLE_CONNECTIONS} from '../../../src/lib/http/wire/limits.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {until} from '../../support/until.ts'
import {type Peer, randomBody, type ScriptedServer, sha256, startScriptedServer} from './scripted-server.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const MIB = 1024 * 1024

/** More than the server of these tests needs for its answer on a busy machine. */
const SLOW_MS = 1_000

describe('an exchange', () => {
  const afterwards = cleanUpAfterwards()
  const newClient = (options: WireClientOptions = {}): WireClient => {
    const client = createWireClient(options)
    afterwards(() => client.close())
    return client
  }
  const start = async (script: (peer: Peer, index: number) => Promise<void>): Promise<ScriptedServer> => {
    const server = await startScriptedServer(script)
    afterwards(server.stop)
    return server
  }
  /** Answers every request with OK. */
  const obliging = async (peer: Peer): Promise<void> => {
    for (;;) {
      const head = await peer.readHead()
      await peer.readBody(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0))
      peer.socket.write(OK)
    }
  }

  describe('on a kept connection', () => {
    it('is one of many on the same socket', async () => {
      const server = await start(obliging)
      const client = newClient()
      for (let count = 0; count < 5; count += 1) await client.request({method: 'POST', url: server.url, body: Buffer.from('abc')})
      assert.deepEqual([server.peers.length, client.statistics.connections, client.statistics.requests], [1, 1, 5])
    })

    it('is not begun when the server closes after each answer', async () => {
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
      })
      const client = newClient()
      for (let count = 0; count < 3; count += 1) assert.equal((await client.request({method: 'POST', url: server.url})).status, 200)
      assert.equal(server.peers.length, 3)
    })

    /** Answers the first request of the first connection and closes on its second one. */
    const stale = async (peer: Peer, index: number): Promise<void> => {
      await peer.readHead()
      peer.socket.write(OK)
      await peer.readHead()
      if (index === 0) peer.socket.destroy()
      else peer.socket.write(OK)
    }

    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'] as const) {
      it(`that the server has closed is replaced silently for ${method}`, async () => {
        const server = await start(stale)
        const client = newClient()
        await client.request({method: 'GET', url: server.url})
        assert.equal((await client.request({method, url: server.url})).status, 200)
        assert.equal(server.peers.length, 2)
      })
    }

    it('is not repeated for POST, since the server may have acted on it', async () => {
      const server = await start(stale)
      const client = newClient()
      await client.request({method: 'GET', url: server.url})
      await assert.rejects(client.request({method: 'POST', url: server.url}), (error) => hasCode(error, 'NETWORK'))
      assert.equal(server.peers.length, 1)
    })

    it('is repeated once only', async () => {
      const server = await start(async (peer, index) => {
        await peer.readHead()
        if (index > 0) peer.socket.destroy()
        peer.socket.write(OK)
        await peer.readHead()
        peer.socket.destroy()
      })
      const client = newClient()
      await client.request({method: 'GET', url: server.url})
      await assert.rejects(client.request({method: 'GET', url: server.url}), (error) => hasCode(error, 'NETWORK'))
      assert.equal(server.peers.length, 2)
    })

    it('whose server hangs up while its upload waits for the first byte moves to a new connection', async () => {
      const server = await start(obliging)
      const client = newClient()
      await client.request({method: 'GET', url: server.url})
      const answer = await client.request({
        method: 'PUT',
        url: server.url,
        body: {
          sizeBytes: 3,
          send: async (sink) => {
            server.peers[0]?.socket.destroy()
            await sleep(50)
            await new Promise<void>((resolve) => sink.write(Buffer.from('abc'), resolve))
          },
        },
      })
      assert.deepEqual([answer.status, server.peers.length], [200, 2])
    })

    it('is one of so many at most: those beyond are closed', async () => {
      const waiting: Peer[] = []
      const server = await start(async (peer) => {
        await peer.readHead()
        waiting.push(peer)
      })
      const client = newClient()
      const work = Array.from({length: MAX_IDLE_CONNECTIONS + 5}, () => client.request({method: 'GET', url: server.url}))
      // All are under way at once, so that none can take the connection of another.
      await until(() => waiting.length === MAX_IDLE_CONNECTIONS + 5)
      for (const peer of waiting) peer.socket.write(OK)
      await Promise.all(work)
      const open = () => server.peers.filter(({socket}) => !socket.destroyed).length
      await until(() => open() === MAX_IDLE_CONNECTIONS)
      await sleep(50)
      assert.equal(open(), MAX_IDLE_CONNECTIONS)
    })

    it('is closed when the server sends what nobody asked for, and its next request goes elsewhere', async () => {
      const server = await start(obliging)
      const client = newClient()
      await client.request({method: 'GET', url: server.url})
      const [first] = server.peers
      first?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')
      await until(() => first?.socket.destroyed === true)
      assert.equal((await client.request({method: 'GET', url: server.url})).body.toString(), 'ok')
      assert.equal(server.peers.length, 2)
    })

    it('is dropped after the keep-alive time', async () => {
      const server = await start(obliging)
      const client = newClient({keepAliveMs: 30})
      await client.request({method: 'GET', url: server.url})
      while (server.peers[0]?.socket.destroyed === false) await sleep(1)
    })
  })

  describe('with a streamed body', () => {
    it('sends nothing, not even the head, when the source fails to start', async () => {
      let received = 0
      const server = await start(async (peer) => {
        peer.socket.on('data', (chunk) => {
          received += chunk.length
        })
      })
      const failure = new Error('no such blob')
      const body = {sizeBytes: 3, send: () => Promise.reject(failure)}
      await assert.rejects(newClient().request({method: 'PUT', url: server.url, body}), (error) => error === failure)
      await sleep(30)
      assert.equal(received, 0)
    })

    it('of no bytes is sent when the source has settled', async () => {
      const server = await start(obliging)
      assert.equal((await newClient().request({method: 'PUT', url: server.url, body: {sizeBytes: 0, send: async () => {}}})).status, 200)
    })

    for (const [name, pushed] of [
      ['fewer', 2],
      ['more', 4],
    ] as const) {
      it(`of ${name} bytes than announced is an integrity error, and its connection is closed`, async () => {
        const server = await start(obliging)
        const send = async (sink: {write(chunk: Uint8Array, release: () => void): boolean}): Promise<void> => {
          for (let index = 0; index < pushed; index += 1) await new Promise<void>((resolve) => sink.write(Buffer.from('x'), resolve))
        }
        const client = newClient()
        await assert.rejects(client.request({method: 'PUT', url: server.url, body: {sizeBytes: 3, send}}), (error) =>
          hasCode(error, 'INTEGRITY'),
        )
        await client.request({method: 'GET', url: server.url})
        assert.equal(server.peers.length, 2)
      })
    }

    it('that is refused half-way stops its source and answers with the refusal', async () => {
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge')
      })
      let slices = 0
      let stopped: unknown
      const client = newClient()
      const answer = await client.request({
        method: 'PUT',
        url: server.url,
        body: {
          sizeBytes: 1000 * MIB,
          send: async (sink) => {
            const chunk = Buffer.alloc(1000)
            try {
              for (;;) {
                await new Promise<void>((resolve) => sink.write(chunk, resolve))
                slices += 1
                await sleep(1)
              }
            } catch (error) {
              stopped = error
              throw error
            }
          },
        },
      })
      assert.deepEqual([answer.status, answer.body.toString()], [413, 'large'])
      while (stopped === undefined) await sleep(1)
      assert.ok(hasCode(stopped, 'INTERRUPTED'))
      assert.ok(slices < 1000)
      while (server.peers[0]?.socket.destroyed === false) await sleep(1)
    })

    it('waits for a server that reads slowly instead of filling memory', async () => {
      const body = randomBody(8 * MIB)
      let received: Buffer | undefined
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.pause()
        await sleep(100)
        peer.socket.resume()
        received = await peer.readBody(body.length)
        peer.socket.write(OK)
      })
      let mostQueued = 0
      let queued = 0
      const answer = await newClient().request({
        method: 'PUT',
        url: server.url,
        body: {
          sizeBytes: body.length,
          send: async (sink) => {
            for (let at = 0; at < body.length; at += 65_536) {
              const chunk = body.subarray(at, at + 65_536)
              queued += 1
              mostQueued = Math.max(mostQueued, queued)
              const released = Promise.withResolvers<void>()
              const wantsMore = sink.write(chunk, () => {
                queued -= 1
                released.resolve()
              })
              // A slice that the kernel took at once is given back within this turn.
              await (wantsMore ? setImmediatePromise() : released.promise)
            }
          },
        },
      })
      assert.equal(answer.status, 200)
      assert.equal(received && sha256(received), sha256(body))
      assert.ok(mostQueued <= 2, `${mostQueued} slices were queued at once`)
    })

    it('gives every slice back when the connection breaks under it', async () => {
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.destroy()
      })
      let given = 0
      let released = 0
      const settled = Promise.withResolvers<void>()
      const request = newClient().request({
        method: 'PUT',
        url: server.url,
        body: {
          sizeBytes: 1000 * MIB,
          send: async (sink) => {
            try {
              for (;;) {
                const back = Promise.withResolvers<void>()
                sink.write(Buffer.alloc(MIB), () => {
                  released += 1
                  back.resolve()
                })
                given += 1
                await back.promise
              }
            } finally {
              settled.resolve()
            }
          },
        },
      })
      await assert.rejects(request, (error) => hasCode(error, 'NETWORK'))
      await settled.promise
      assert.equal(released, given)
    })
  })

  describe('that takes too long', () => {
    it('to answer ends with TIMEOUT', async () => {
      const server = await start(async () => {})
      await assert.rejects(newClient({idleTimeoutMs: 60}).request({method: 'GET', url: server.url}), (error) => hasCode(error, 'TIMEOUT'))
      assert.equal(server.peers.length, 1)
    })

    it('between two bytes of its body ends with TIMEOUT', async () => {
      const server = await start(async (peer) => {
        await peer.readHead()
        peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc')
      })
      await assert.rejects(newClient({idleTimeoutMs: 60}).request({method: 'GET', url: server.url}), (error) => hasCode(error, 'TIMEOUT'))
    })

    it('because the sink is slow is nobody’s fault', async () => {
      const server = await start(obliging)
      const sink = {
        write: (_chunk: Uint8Array, release: () => void) => {
          setTimeout(release, 2 * SLOW_MS)
          return false
        },
      }
      assert.equal((await newClient({idleTimeoutMs: SLOW_MS}).request({method: 'GET', url: server.url, sinkFor: () => sink})).status, 200)
    })

    it('because the source of its body is slow is not the server’s fault', async () => {
      const server = await start(obliging)
      const send = async (sink: {write(chunk: Uint8Array, release: () => void): boolean}): Promise<void> => {
        for (let index = 0; index < 2; index += 1) {
          await sleep(2 * SLOW_MS)
          await new Promise<void>((resolve) => sink.write(Buffer.from('x'), resolve))
        }
      }
      assert.equal(
        (await newClient({idleTimeoutMs: SLOW_MS}).request({method: 'PUT', url: server.url, body: {sizeBytes: 2, send}})).status,
        200,
      )
    })

    it('to shake hands ends with TIMEOUT', async () => {
      const server = await start(async () => {})
      const url = new URL(`https://127.0.0.1:${server.port}/`)
      await assert.rejects(newClient({connectTimeoutMs: 60}).request({method: 'GET', url}), (error) => hasCode(error, 'TIMEOUT'))
    })
  })

  describe('that is aborted', () => {
    for (const when of ['before it begins', 'before the answer', 'within the body'] as const) {
      it(`${when} ends at once, closes its connection and forgets the signal`, async () => {
        const server = await start(async (peer) => {
          await peer.readHead()
          if (when === 'within the body') peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc')
        })
        const controller = new AbortController()
        if (when === 'before it begins') controller.abort()
        else setTimeout(() => controller.abort(), 50)
        const request = newClient().request({method: 'GET', url: server.url, signal: controller.signal})
        await assert.rejects(request, (error) => hasCode(error, 'INTERRUPTED'))
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
        while (server.peers.some(({socket}) => !socket.destroyed)) await sleep(1)
        assert.ok(server.peers.every(({socket}) => socket.destroyed))
      })
    }

    it('while the server shakes no hands ends at once', async () => {
      const server = await start(async () => {})
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 30)
      const url = new URL(`https://127.0.0.1:${server.port}/`)
      await assert.rejects(newClient().request({method: 'GET', url, signal: controller.signal}), (error) => hasCode(error, 'INTERRUPTED'))
    })
  })

  it('with a port that nobody listens on says so, and shows no query', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => free.once('listening', resolve))
    const address = free.address()
    const port = typeof address === 'object' ? address?.port : 0
    await new Promise((resolve) => free.close(resolve))
    await assert.rejects(
      newClient().request({method: 'GET', url: new URL(`http://127.0.0.1:${port}/v2/?token=canary`)}),
      (error) => hasCode(error, 'NETWORK') && /connection refused/.test(error.message) && !error.message.includes('canary'),
    )
    // Most registries of this machine speak no TLS.
    for (const host of ['127.0.0.1', 'localhost'])
      await assert.rejects(
        newClient().request({method: 'GET', url: new URL(`https://${host}:${port}/v2/`)}),
        (error) => hasCode(error, 'NETWORK') && error.hints[0]?.endsWith(` http://${host}:${port}/v2/`) === true,
      )
  })

  it('finds a server on IPv4 although its name has an IPv6 address as well', async () => {
    const server = await start(obliging)
    assert.equal((await newClient().request({method: 'GET', url: new URL(`http://localhost:${server.port}/`)})).body.toString(), 'ok')
  })

  it('is shown to an observer without its query, user info never reaches the wire', async () => {
    const heads: string[] = []
    const server = await start(async (peer) => {
      heads.push(await peer.readHead())
      peer.socket.write(OK)
    })
    const seen: ObservedExchange[] = []
    const url = new URL(`http://user:canary@127.0.0.1:${server.port}/v2/?q=1#fragment`)
    await newClient({onExchange: (exchange) => seen.push(exchange)}).request({method: 'GET', url})
    assert.deepEqual(
      seen.map(({method, host, path, status}) => ({method, host, path, status})),
      [{method: 'GET', host: `127.0.0.1:${server.port}`, path: '/v2/', status: 200}],
    )
    assert.deepEqual(heads, [`GET /v2/?q=1 HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`])
  })
})
