/** Clients that send a body a byte now and then: no idle time-out sees them, and each one would hold a connection for ever. */
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import type {Socket} from 'node:net'
import type {MinimumRate} from '../../../src/lib/core/rate-watch.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {type ServedRegistry, serveRegistry} from '../../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {openSocket} from './raw-http.ts'

/** A byte each 20 ms is far below it, and a block of 64 KiB each 20 ms far above, on any machine. */
const RATE: MinimumRate = {bytesPerSecond: 10_000, windowMs: 240}
const DRIP_MS = 20
const FAST_BYTES = 64 * 1024
const BLOB = randomBytes(60 * FAST_BYTES)
const DIGEST = digestOf(BLOB)

describe('the minimum rate of a body that a client sends', () => {
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory

  before(async () => {
    directory = await createTemporaryDirectory('minimum-rate')
    afterwards(directory.remove)
  })

  async function serve(options: {readonly readOnly?: boolean; readonly minimumRate?: MinimumRate} = {}): Promise<ServedRegistry> {
    const served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0, minimumRate: RATE, ...options})
    afterwards(() => served.stop({graceMs: 0}))
    return served
  }

  /** Sends the head of a request and then `bytes` of its body again and again; answers what came until the connection was closed. */
  async function drip({address}: ServedRegistry, head: string, bytes: string): Promise<string> {
    const socket: Socket = await openSocket(address.port)
    socket.write(`${head}\r\nHost: localhost\r\n\r\n`)
    const timer = setInterval(() => socket.write(bytes), DRIP_MS)
    socket.on('error', () => {})
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(timer)
    return text
  }

  for (const [what, head, bytes] of [
    ['a blob of known size', `POST /v2/app/blobs/uploads/?digest=${DIGEST} HTTP/1.1\r\nContent-Length: 100000`, 'x'],
    ['a blob in chunks', `POST /v2/app/blobs/uploads/?digest=${DIGEST} HTTP/1.1\r\nTransfer-Encoding: chunked`, '1\r\nx\r\n'],
  ] as const) {
    it(`ends ${what}, and says why`, async () => {
      const answer = await drip(await serve(), head, bytes)
      assert.match(answer, /^HTTP\/1\.1 408 /)
      assert.match(answer, /the body comes too slowly: only \d+ bytes moved in 0\.24 s, less than 10000 bytes a second/)
    })
  }

  it('keeps what has arrived of an upload session, to be resumed', async () => {
    const served = await serve()
    const base = `http://127.0.0.1:${served.address.port}`
    const opened = await fetch(`${base}/v2/app/blobs/uploads/`, {method: 'POST'})
    const location = opened.headers.get('location') ?? ''
    const answer = await drip(served, `PATCH ${location} HTTP/1.1\r\nContent-Length: 100000`, 'x')
    assert.match(answer, /^HTTP\/1\.1 408 /)
    const {headers, status} = await fetch(`${base}${location}`)
    assert.equal(status, 204)
    assert.match(headers.get('range') ?? '', /^0-[1-9]\d*$/)
  })

  it('closes the connection of a body that nothing reads, since its request was refused', async () => {
    const answer = await drip(await serve({readOnly: true}), 'POST /v2/app/blobs/uploads/ HTTP/1.1\r\nContent-Length: 100000', 'x')
    assert.match(answer, /^HTTP\/1\.1 405 /)
  })

  it('lets a body through that is fast enough, however many windows it takes', async () => {
    const {address} = await serve()
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        for (let at = 0; at < BLOB.length; at += FAST_BYTES) {
          controller.enqueue(BLOB.subarray(at, at + FAST_BYTES))
          await new Promise((resolve) => setTimeout(resolve, DRIP_MS))
        }
        controller.close()
      },
    })
    const request = {method: 'POST', body, duplex: 'half'} as const
    const {status} = await fetch(`http://127.0.0.1:${address.port}/v2/app/blobs/uploads/?digest=${DIGEST}`, request as RequestInit)
    assert.equal(status, 201)
  })
})
