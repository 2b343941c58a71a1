import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {settlesWithin} from '../../../src/lib/core/settle-within.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {type ServeOptions, serveRegistry} from '../../../src/lib/server/serve.ts'
import type {FailureEvent, RequestEvent} from '../../../src/lib/server/server-events.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createSelfSignedCertificate} from '../../support/certificates.ts'
import {freePort} from '../../support/free-port.ts'
import {holdingClients, SILENT, UNREAD_BYTES} from '../../support/holding-clients.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

/** Far more than it takes; a server that does not stop is one that is still there then. */
const PATIENCE_MS = 15_000
const BLOB = randomBytes(UNREAD_BYTES)
const DIGEST = digestOf(BLOB)

describe('a server that is told to stop', () => {
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let events: (RequestEvent | FailureEvent)[] = []

  before(async () => {
    directory = await createTemporaryDirectory('stop')
    afterwards(directory.remove)
    const served = await serve()
    const base = `http://127.0.0.1:${served.address.port}`
    const opened = await fetch(`${base}/v2/app/blobs/uploads/`, {method: 'POST'})
    const pushed = await fetch(`${base}${opened.headers.get('location')}?digest=${DIGEST}`, {method: 'PUT', body: BLOB})
    assert.equal(pushed.status, 201)
    await served.stop()
  })
  beforeEach(() => {
    events = []
  })

  const serve = (options: Partial<ServeOptions> = {}) =>
    serveRegistry({
      dataDirectory: join(directory.path, 'store'),
      host: '127.0.0.1',
      port: 0,
      listener: (event) => events.push(event),
      ...options,
    })

  for (const {name, hold} of holdingClients(`/v2/app/blobs/${DIGEST}`)) {
    it(`ends in its time with ${name}`, async () => {
      const served = await serve()
      const socket = await hold(served.address.port)
      const ended = socket.closed ? Promise.resolve() : once(socket.resume(), 'close')
      if (name.includes('not read')) socket.pause()
      assert.ok(await settlesWithin(served.stop({graceMs: 200}), PATIENCE_MS), 'it still runs')
      socket.resume()
      assert.ok(await settlesWithin(ended, PATIENCE_MS), 'the connection was left open')
      assert.deepEqual(
        events.filter(({requestId}) => requestId === 'stop'),
        [],
      )
    })
  }

  it('ends in its time with a TLS handshake that was never begun', async () => {
    const files = await createSelfSignedCertificate(directory.path)
    const [certificate, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
    const served = await serve({tls: {certificate, key}})
    const socket = await SILENT.hold(served.address.port)
    const ended = once(socket, 'close')
    assert.ok(await settlesWithin(served.stop({graceMs: 200}), PATIENCE_MS), 'it still runs')
    assert.ok(await settlesWithin(ended, PATIENCE_MS), 'the connection was left open')
  })

  it('opens nothing when its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    afterwards(() => taken.close())
    const {port} = taken.address() as {port: number}
    let isOpened = false
    const openAuthority = async () => {
      isOpened = true
      throw new Error('unreachable')
    }
    await assert.rejects(serve({port, openAuthority}), {code: 'ADDRESS_IN_USE'})
    await assert.rejects(serve({host: '192.0.2.1', openAuthority}), {code: 'CONFIGURATION', message: /does not have that address/})
    assert.equal(isOpened, false)
  })

  it('has clients wait that come before it is ready, and gives the port back when it never is', async () => {
    const begun = Promise.withResolvers<void>()
    const opening = Promise.withResolvers<never>()
    const port = await freePort()
    const starting = serve({
      port,
      openAuthority: async () => {
        begun.resolve()
        return await opening.promise
      },
    })
    const failed = assert.rejects(starting, /no database/)
    await begun.promise
    const early = fetch(`http://127.0.0.1:${port}/v2/`).then(
      () => 'answered',
      () => 'broken off',
    )
    assert.equal(await settlesWithin(early, 300), false, 'it was answered too early')
    opening.reject(new Error('no database'))
    await failed
    assert.equal(await early, 'broken off')
    const again = await serve({port})
    await again.stop({graceMs: 0})
  })

  it('answers clients that came before it was ready', async () => {
    const opening = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const port = await freePort()
    let isClosed = false
    const starting = serve({
      port,
      async openAuthority() {
        begun.resolve()
        await opening.promise
        return {
          accessControl: () => undefined,
          others: (_, response) => response.end('other'),
          close: async () => {
            isClosed = true
          },
        }
      },
    })
    await begun.promise
    const early = fetch(`http://127.0.0.1:${port}/other`)
    opening.resolve()
    const served = await starting
    assert.equal(await (await early).text(), 'other')
    await served.stop({graceMs: 0})
    assert.ok(isClosed)
  })

  it('gives up a start when it is told to, whatever it waits for', async () => {
    const end = new AbortController()
    const starting = serve({signal: end.signal, openAuthority: () => new Promise(() => {})})
    end.abort(new Error('told to'))
    await assert.rejects(starting, /told to/)
  })

  it('leaves no folder where it was never used', async () => {
    const dataDirectory = join(directory.path, 'never')
    const served = await serve({dataDirectory})
    await served.stop({graceMs: 0})
    assert.equal(existsSync(dataDirectory), false)
  })
})
