import assert from 'node:assert/strict'
import {setTimeout as sleep} from 'node:timers/promises'
import {hasCode} from '../../../src/lib/core/errors.ts'
import type {HttpClient} from '../../../src/lib/http/client.ts'
import {createWireClient, type WireClient} from '../../../src/lib/http/wire/client.ts'
import {LARGE_BUFFER_BYTES, MAX_UNRELEASED_BUFFERS, SMALL_BUFFER_BYTES} from '../../../src/lib/http/wire/limits.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createCertificateAuthority} from '../../support/certificates.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {
  HashingSink,
  type Patience,
  type Peer,
  randomBody,
  type ScriptedServer,
  sha256,
  startScriptedServer,
  tlsOptionsOf,
} from './scripted-server.ts'

const MIB = 1024 * 1024
/** Around every boundary: of small buffers, TLS records, large buffers; and two that take many rounds. */
const SIZES = [
  0,
  1,
  511,
  SMALL_BUFFER_BYTES - 1,
  SMALL_BUFFER_BYTES,
  SMALL_BUFFER_BYTES + 1,
  LARGE_BUFFER_BYTES - 1,
  LARGE_BUFFER_BYTES,
  LARGE_BUFFER_BYTES + 1,
  3 * MIB + 7,
  8 * MIB,
]

/** Serves bodies by `/<name>`, as often as asked on one connection. */
function serve(bodies: ReadonlyMap<string, Buffer>): (peer: Peer) => Promise<void> {
  return async (peer) => {
    for (;;) {
      const head = await peer.readHead()
      const [, method = '', path = ''] = /^(\S+) (\S+)/.exec(head) ?? []
      const size = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (method === 'PUT') {
        const digest = sha256(await peer.readBody(size))
        peer.socket.write(`HTTP/1.1 201 Created\r\nContent-Length: ${digest.length}\r\n\r\n${digest}`)
        continue
      }
      const body = bodies.get(path.slice(1)) ?? Buffer.alloc(0)
      if (path.startsWith('/chunked-')) writeChunked(peer, bodies.get(path.slice('/chunked-'.length)) ?? Buffer.alloc(0))
      else peer.socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]))
    }
  }
}

/** In chunks of many sizes, many of them in one packet. */
function writeChunked({socket}: Peer, body: Buffer): void {
  const parts: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')]
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 3) % 100_003) {
    const chunk = body.subarray(at, at + size)
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
  }
  socket.write(Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]))
}

const relay = (client: HttpClient, from: URL, to: URL, sizeBytes: number) =>
  client.request({
    method: 'PUT',
    url: to,
    body: {
      sizeBytes,
      send: async (sink) => {
        await client.request({method: 'GET', url: from, sinkFor: () => sink})
      },
    },
  })

for (const scheme of ['http', 'https'] as const) {
  describe(`bodies over ${scheme}`, () => {
    const afterwards = cleanUpAfterwards()
    const bodies = new Map(SIZES.map((size) => [String(size), randomBody(size)]))
    let client: WireClient
    let server: ScriptedServer

    before(async () => {
      const directory = await createTemporaryDirectory('bodies')
      afterwards(directory.remove)
      const authority = await createCertificateAuthority(directory.path)
      const tls = scheme === 'https' ? await tlsOptionsOf(await authority.issue('server')) : undefined
      server = await startScriptedServer(serve(bodies), tls)
      afterwards(server.stop)
      client = createWireClient({tlsFor: () => ({ca: authority.ca})})
      afterwards(() => client.close())
    })

    for (const [patience, answer] of [
      ['at-once', true],
      ['next-tick', true],
      ['slow', false],
      ['slow', true],
    ] as const satisfies readonly (readonly [Patience, boolean])[]) {
      it(`reach a sink byte for byte when it gives slices back ${patience} and ${answer ? 'always wants more' : 'wants to wait'}`, async () => {
        for (const [name, body] of bodies) {
          for (const path of [name, `chunked-${name}`]) {
            const sink = new HashingSink(patience, answer)
            const {status} = await client.request({method: 'GET', url: new URL(path, server.url), sinkFor: () => sink})
            assert.deepEqual([path, status, sink.held, sink.sizeBytes, sink.digest], [path, 200, 0, body.length, sha256(body)])
          }
        }
        assert.equal(client.statistics.connections, 1, 'every request was sent on the same connection')
      })
    }

    it('are bounded in memory even when a sink takes everything and gives nothing back in time', async () => {
      const sink = new HashingSink('slow', true, 20)
      await client.request({method: 'GET', url: new URL(String(8 * MIB), server.url), sinkFor: () => sink})
      assert.equal(sink.sizeBytes, 8 * MIB)
      assert.ok(sink.mostHeldBytes <= MAX_UNRELEASED_BUFFERS * LARGE_BUFFER_BYTES, `${sink.mostHeldBytes} bytes were held`)
    })

    it('go from an answer into a request byte for byte, many at once', async () => {
      const relayed = [...bodies].map(async ([name, body]) => {
        const answer = await relay(client, new URL(name, server.url), new URL('put', server.url), body.length)
        assert.deepEqual([name, answer.status, answer.body.toString()], [name, 201, sha256(body)])
      })
      await Promise.all(relayed)
    })

    it('leave the connection usable after a sink has paused it at its very end', async () => {
      for (let round = 0; round < 5; round += 1) {
        const sink = new HashingSink('slow', false, 15)
        await client.request({method: 'GET', url: new URL(String(LARGE_BUFFER_BYTES + 1), server.url), sinkFor: () => sink})
        const small = await client.request({method: 'GET', url: new URL('511', server.url)})
        assert.equal(sha256(small.body), sha256(bodies.get('511') ?? Buffer.alloc(0)))
      }
    })

    it('do not share a connection with the next request before the last slice was given back', async () => {
      const fresh = createWireClient({tlsFor: () => ({insecure: true})})
      afterwards(() => fresh.close())
      let giveBack: (() => void) | undefined
      const first = fresh.request({
        method: 'GET',
        url: new URL('511', server.url),
        sinkFor: () => ({
          write: (_chunk, release) => {
            giveBack = release
            return true
          },
        }),
      })
      while (giveBack === undefined) await sleep(1)
      await fresh.request({method: 'GET', url: new URL('1', server.url)})
      assert.equal(fresh.statistics.connections, 2)
      giveBack()
      await first
      await fresh.request({method: 'GET', url: new URL('1', server.url)})
      assert.equal(fresh.statistics.connections, 2)
    })
  })
}

describe('answers', () => {
  const afterwards = cleanUpAfterwards()

  /** Answers every connection's first request with `text`, then ends when told to. */
  const answering = async (text: string | Buffer, isEnded = false): Promise<URL> => {
    const server = await startScriptedServer(async (peer) => {
      await peer.readHead()
      peer.socket.write(text)
      if (isEnded) peer.socket.end()
    })
    afterwards(server.stop)
    return server.url
  }
  const newClient = (options: Parameters<typeof createWireClient>[0] = {}): WireClient => {
    const client = createWireClient(options)
    afterwards(() => client.close())
    return client
  }
  const get = async (text: string | Buffer, isEnded = false) => newClient().request({method: 'GET', url: await answering(text, isEnded)})

  it('without a length last until the server closes', async () => {
    assert.equal((await get('HTTP/1.1 200 OK\r\n\r\nall of it', true)).body.toString(), 'all of it')
  })

  it('come after informational ones', async () => {
    const answer = await get(
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    )
    assert.deepEqual([answer.status, answer.body.toString(), answer.headers.link], [200, 'ok', undefined])
  })

  for (const status of ['204 No Content', '304 Not Modified']) {
    it(`with status ${status} have no body whatever their length says`, async () => {
      assert.equal((await get(`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`)).body.length, 0)
    })
  }

  it('to HEAD have no body, keep their length as a header, and ask no sink', async () => {
    const url = await answering('HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n')
    const answer = await newClient().request({method: 'HEAD', url, sinkFor: () => assert.fail('there is no body')})
    assert.deepEqual([answer.headers['content-length'], answer.body.length], ['12345', 0])
  })

  it('that are no 2xx can be collected while a 2xx would go into a sink', async () => {
    const url = await answering('HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone')
    const answer = await newClient().request({method: 'GET', url, sinkFor: ({status}) => (status === 200 ? assert.fail('no') : undefined)})
    assert.deepEqual([answer.status, answer.body.toString()], [404, 'gone'])
  })

  for (const [name, text] of [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n'],
    ['chunks', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${'x'.repeat(2000)}`],
    ['no length', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(2000)}`],
  ] as const) {
    it(`collected by ${name} are cut off at the cap`, async () => {
      const url = await answering(text)
      await assert.rejects(newClient().request({method: 'GET', url, maxBodyBytes: 1999}), (error) => hasCode(error, 'INTEGRITY'))
    })
  }

  for (const [name, text] of [
    ['nothing', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['part of the body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['part of the chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ] as const) {
    it(`that end after ${name} are a broken connection`, async () => {
      await assert.rejects(get(text, true), (error) => hasCode(error, 'NETWORK') && error.retryable)
    })
  }

  for (const [name, text] of [
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['folded headers', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\n${'A: bbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n'.repeat(3000)}`],
    ['only informational ones', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['no HTTP', '220 smtp.test ESMTP\r\n\r\n'],
  ] as const) {
    it(`with ${name} are refused`, async () => {
      await assert.rejects(get(text), (error) => hasCode(error, 'NETWORK'))
    })
  }

  it('with a head near the cap are read although it does not fit the first buffer', async () => {
    const filler = Array.from({length: 60}, (_, index) => `X-${index}: ${'v'.repeat(1000)}\r\n`).join('')
    const answer = await get(`HTTP/1.1 200 OK\r\n${filler}Content-Length: 2\r\n\r\nok`)
    assert.deepEqual([answer.headers['x-59']?.length, answer.body.toString()], [1000, 'ok'])
  })

  it('that come in single bytes are put together', async () => {
    const server = await startScriptedServer(async (peer) => {
      await peer.readHead()
      for (const byte of Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')) {
        peer.socket.write(Buffer.from([byte]))
        await sleep(1)
      }
    })
    afterwards(server.stop)
    assert.equal((await newClient().request({method: 'GET', url: server.url})).body.toString(), 'hello')
  })

  it('with bytes after their end do not lend them to the next request', async () => {
    const server = await startScriptedServer(async (peer, index) => {
      await peer.readHead()
      peer.socket.write(
        index === 0
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
          : 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood',
      )
    })
    afterwards(server.stop)
    const client = newClient()
    await client.request({method: 'GET', url: server.url})
    assert.equal((await client.request({method: 'GET', url: server.url})).body.toString(), 'good')
  })

  it('in a sink that is dropped at byte N leave the sink with the first N bytes and reject', async () => {
    const body = randomBody(MIB)
    const server = await startScriptedServer(async (peer) => {
      await peer.readHead()
      peer.socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n'), body]))
    })
    afterwards(server.stop)
    const sink = new HashingSink('next-tick', false)
    await assert.rejects(newClient().request({method: 'GET', url: server.url, sinkFor: () => sink}), (error) => hasCode(error, 'NETWORK'))
    assert.deepEqual([sink.sizeBytes, sink.digest], [MIB, sha256(body)])
  })

  it('end with the very error that the sink throws, and their connection is closed', async () => {
    const server = await startScriptedServer(async (peer) => {
      await peer.readHead()
      peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc')
    })
    afterwards(server.stop)
    const thrown = new Error('disk full')
    const sink = {
      write: () => {
        throw thrown
      },
    }
    await assert.rejects(newClient().request({method: 'GET', url: server.url, sinkFor: () => sink}), (error) => error === thrown)
    while (server.peers[0]?.socket.destroyed === false) await sleep(1)
  })
})
