/** A server that may open few files: it lives on, says that it is busy, and serves again once there are some. */
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {request} from 'node:http'
import type {Socket} from 'node:net'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createRegistryServer} from '../../../src/lib/server/registry-server.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {needs} from '../../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'
import {openSocket} from './raw-http.ts'

/** Node itself has more than twenty open before any code of ours runs. */
const FILES = 64
const SERVER = fileURLToPath(new URL('../../../src/lib/server/serve.ts', import.meta.url))
/** Enough for the thread that hashes. */
const BLOB = randomBytes(6 * 1024 * 1024)
const DIGEST = `sha256:${createHash('sha256').update(BLOB).digest('hex')}`

describe('a registry that may open few files', function () {
  this.timeout(180_000)
  needs('prlimit')
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory

  before(async () => {
    directory = await createTemporaryDirectory('few-files')
    afterwards(directory.remove)
  })

  async function startServer(): Promise<{readonly child: ChildProcess; readonly port: number}> {
    const script = `import {serveRegistry} from ${JSON.stringify(SERVER)}
      const {address} = await serveRegistry({dataDirectory: process.argv[1], host: '127.0.0.1', port: 0})
      console.log(address.port)`
    const args = [`--nofile=${FILES}:${FILES}`, process.execPath, '--input-type=module', '-e', script, directory.path]
    const child = spawn('prlimit', args, {stdio: ['ignore', 'pipe', 'inherit']})
    afterwards(() => child.kill('SIGKILL'))
    const [port] = await once(createInterface({input: child.stdout}), 'line')
    return {child, port: Number(port)}
  }

  /** The status of a push on a connection of its own; undefined when there was no answer. */
  function push(port: number): Promise<number | undefined> {
    return new Promise((resolve) => {
      const path = `/v2/app/blobs/uploads/?digest=${DIGEST}`
      const sent = request({port, host: '127.0.0.1', path, method: 'POST', agent: false, headers: {'Content-Length': BLOB.length}})
      sent.on('response', (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.on('error', () => resolve(undefined))
      sent.end(BLOB)
    })
  }

  it('outlives more connections than it has files, and takes pushes once they are gone', async () => {
    const {child, port} = await startServer()
    const idle: Socket[] = []
    for (let n = 0; n < 2 * FILES; n += 1) {
      const socket = await openSocket(port)
      socket.on('error', () => {})
      idle.push(socket)
    }
    await push(port)
    for (const socket of idle) socket.destroy()
    await until(async () => (await push(port)) === 201)
    assert.deepEqual([child.exitCode, child.signalCode], [null, null])
  })

  it('outlives more pushes at once than it has files: each is stored or refused', async () => {
    const {child, port} = await startServer()
    const statuses = await Promise.all(Array.from({length: FILES}, () => push(port)))
    for (const status of statuses) assert.ok(status === undefined || status === 201 || status === 503, `one was answered ${status}`)
    await until(async () => (await push(port)) === 201)
    assert.deepEqual([child.exitCode, child.signalCode], [null, null])
  })

  it('answers 503 and says when to come again', async () => {
    const store = createFilesystemStore({root: directory.path})
    const server = createRegistryServer({isGuarded: false})
    server.answer({
      store: {
        ...store,
        readManifest: async () => {
          throw new HoldfastError('STORAGE', 'cannot read manifest "v1": too many files are open', {details: {errno: 'EMFILE'}})
        },
      },
    })
    const {port} = await server.listen({host: '127.0.0.1', port: 0})
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/v2/app/manifests/v1`)
      assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'])
      assert.match(await answer.text(), /"UNAVAILABLE"/)
    } finally {
      await server.close({graceMs: 0})
      await store.close()
    }
  })
})
