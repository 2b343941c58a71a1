/** Clients that open many connections, or drip the body of a small request. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import type {Socket} from 'node:net'
import {serveRegistry} from '../../../src/lib/server/serve.ts'
import type {ServerListener} from '../../../src/lib/server/server-events.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {openSocket} from './raw-http.ts'

describe('the connections of a server', () => {
  const afterwards = cleanUpAfterwards()
  let told: string[]

  beforeEach(() => {
    told = []
  })

  async function serve(options: Partial<Parameters<typeof serveRegistry>[0]>): Promise<number> {
    const directory = await createTemporaryDirectory('connections')
    afterwards(directory.remove)
    const listener: ServerListener = (event) => {
      if (event.type === 'failure' && event.error instanceof Error) told.push(event.error.message)
    }
    const served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0, listener, ...options})
    afterwards(() => served.stop({graceMs: 0}))
    return served.address.port
  }
  const open = async (port: number): Promise<Socket> => {
    const socket = await openSocket(port)
    afterwards(() => void socket.destroy())
    socket.on('error', () => {}).resume()
    return socket
  }
  /** Asks for something on a connection; answers the status line, or nothing when it was closed. */
  const ask = async (socket: Socket): Promise<string> => {
    const answer = Promise.race([
      once(socket, 'data').then(([chunk]) => String(chunk).split('\r\n')[0] ?? ''),
      once(socket, 'close').then(() => ''),
    ])
    socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return await answer
  }

  it('are so many of one address, and another one takes the place of one that was closed', async () => {
    const port = await serve({connections: {perAddress: 2, inAll: 100}})
    const [first, second] = [await open(port), await open(port)]
    assert.deepEqual([await ask(first), await ask(second)], ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK'])
    for (const _ of [1, 2]) assert.equal(await ask(await open(port)), '')
    assert.deepEqual(told, ['cannot take a connection of "127.0.0.1": 2 of this address are open'])
    first.destroy()
    await once(first, 'close')
    for (;;) if ((await ask(await open(port))) === 'HTTP/1.1 200 OK') break
    assert.equal(await ask(second), 'HTTP/1.1 200 OK')
  })

  it('are so many in all, also of addresses that stand for many clients', async () => {
    const port = await serve({connections: {perAddress: 1, inAll: 3, isExempt: () => true}})
    const all = [await open(port), await open(port), await open(port)]
    for (const socket of all) assert.equal(await ask(socket), 'HTTP/1.1 200 OK')
    assert.equal(await ask(await open(port)), '')
    assert.deepEqual(told, ['cannot take a connection of "127.0.0.1": 3 are open'])
  })

  it('are closed when the body of a small request does not come, however its bytes drip', async () => {
    const port = await serve({
      smallBodyMs: 200,
      openAuthority: async () => ({
        accessControl: async () => ({subject: 'ann', isVisible: async () => true}),
        others: (request) => void request.resume(),
        close: async () => {},
      }),
    })
    const socket = await open(port)
    socket.write('POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n')
    const drip = setInterval(() => socket.write('x'), 20)
    await once(socket, 'close')
    clearInterval(drip)
  })
})
