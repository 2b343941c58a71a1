import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {createResponseSink} from '../../../src/lib/server/response-sink.ts'
import {until} from '../../support/until.ts'

const SLICES = 32
const SLICE_BYTES = 512 * 1024

describe('the answer to a client that leaves', () => {
  it('gives every slice back, those that it took and those that come later', async () => {
    let released = 0
    const later = Promise.withResolvers<boolean>()
    const server = createServer((request, response) => {
      const sink = createResponseSink({
        request,
        response,
        query: new URLSearchParams(),
        signal: new AbortController().signal,
        traffic: {received: 0, sent: 0},
        body: {tooSlow: () => {}},
      })
      const write = (): boolean => sink.write(Buffer.alloc(SLICE_BYTES), () => void released++)
      for (let slice = 0; slice < SLICES; slice++) write()
      response.once('close', () => setImmediate(() => later.resolve(write())))
      // The socket is gone, and the answer has not been told yet.
      request.socket.once('end', () => {
        request.socket.destroy()
        write()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'data')
    socket.end()
    assert.equal(await later.promise, true)
    await until(async () => released === SLICES + 2)
    server.close()
  })
})
