import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {get, request} from 'node:http'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import {type ServedRegistry, serveRegistry} from '../../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {spawnChild} from '../../support/child-process.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {openSocket} from './raw-http.ts'

const MIB = 1024 * 1024
/** Larger than every buffer between the disk and a client. */
const BLOB = randomBytes(24 * MIB)
const DIGEST = digestOf(BLOB)
const HALF = BLOB.length / 2

describe('blobs on their way through the embedded registry', () => {
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let served: ServedRegistry
  let base: string

  before(async () => {
    directory = await createTemporaryDirectory('transfers')
    afterwards(directory.remove)
    served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0})
    afterwards(() => served.stop({graceMs: 0}))
    base = `http://127.0.0.1:${served.address.port}`
    await push(base, 'app', BLOB)
  })

  it('arrive whole at many clients at once, some of them slow', async () => {
    const pulls = [0, 0, 5, 5].map((pauseMs) => pullDigest(`${base}/v2/app/blobs/${DIGEST}`, pauseMs))
    assert.deepEqual(await Promise.all(pulls), [DIGEST, DIGEST, DIGEST, DIGEST])
  })

  it('arrive whole and in order when requests are pipelined on one connection', async () => {
    const socket = await openSocket(served.address.port)
    const one = `GET /v2/app/blobs/${DIGEST} HTTP/1.1\r\nHost: localhost\r\n`
    socket.write(`${one}\r\n${one}Connection: close\r\n\r\n`)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const all = Buffer.concat(chunks)
    const first = all.indexOf('\r\n\r\n') + 4
    assert.equal(digestOf(all.subarray(first, first + BLOB.length)), DIGEST)
    const second = all.indexOf('\r\n\r\n', first + BLOB.length) + 4
    assert.equal(digestOf(all.subarray(second)), DIGEST)
  })

  it('harm nobody when a client goes away in the middle of a pull', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [response] = await once(get(`${base}/v2/app/blobs/${DIGEST}`), 'response')
      await once(response, 'data')
      response.destroy()
    }
    assert.equal(await pullDigest(`${base}/v2/app/blobs/${DIGEST}`, 0), DIGEST)
  })

  it('are resumed at the byte that arrived last when a client went away in the middle of a push', async () => {
    const location = await open(base, 'cut')
    const upload = request(`${base}${location}`, {method: 'PATCH', headers: {'Content-Length': BLOB.length}})
    upload.on('error', () => {})
    upload.write(BLOB.subarray(0, HALF))
    await offsetReaches(`${base}${location}`, HALF)
    upload.destroy()
    await finishFrom(base, location, HALF)
    assert.equal(await pullDigest(`${base}/v2/cut/blobs/${DIGEST}`, 0), DIGEST)
  })

  it('are refused while another request writes to the same upload', async () => {
    const location = await open(base, 'busy')
    const upload = request(`${base}${location}`, {method: 'PATCH', headers: {'Content-Length': BLOB.length}})
    upload.on('error', () => {})
    upload.write(BLOB.subarray(0, MIB))
    await offsetReaches(`${base}${location}`, MIB)
    const second = await fetch(`${base}${location}`, {method: 'PATCH', body: BLOB.subarray(0, 10)})
    assert.equal(second.status, 416)
    upload.destroy()
  })

  it('finish within the grace period of a stop, while no new connection is taken', async () => {
    const stopping = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0})
    const url = `http://127.0.0.1:${stopping.address.port}`
    const location = await open(url, 'grace')
    const upload = request(`${url}${location}?digest=${DIGEST}`, {method: 'PUT', headers: {'Content-Length': BLOB.length}})
    const answered = once(upload, 'response')
    upload.write(BLOB.subarray(0, HALF))
    await offsetReaches(`${url}${location}`, HALF)
    const stopped = stopping.stop({graceMs: 10_000})
    await sleep(20)
    await assert.rejects(fetch(`${url}/v2/`))
    upload.end(BLOB.subarray(HALF))
    const [response] = await answered
    assert.equal(response.statusCode, 201)
    assert.equal(response.headers.connection, 'close')
    await stopped
    assert.equal(await pullDigest(`${base}/v2/grace/blobs/${DIGEST}`, 0), DIGEST)
  })

  it('are cut off after the grace period and can be resumed at the next start', async () => {
    const stopping = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0})
    const url = `http://127.0.0.1:${stopping.address.port}`
    const location = await open(url, 'late')
    const upload = request(`${url}${location}`, {method: 'PATCH', headers: {'Content-Length': BLOB.length}})
    upload.on('error', () => {})
    upload.write(BLOB.subarray(0, HALF))
    await offsetReaches(`${url}${location}`, HALF)
    await stopping.stop({graceMs: 50})
    await finishFrom(base, location, HALF)
    assert.equal(await pullDigest(`${base}/v2/late/blobs/${DIGEST}`, 0), DIGEST)
  })

  it('are resumed after the server was killed in the middle of a push', async () => {
    const victim = await spawnServer(directory.path)
    const location = await open(victim.url, 'killed')
    const upload = request(`${victim.url}${location}`, {method: 'PATCH', headers: {'Content-Length': BLOB.length}})
    upload.on('error', () => {})
    upload.write(BLOB.subarray(0, HALF))
    await offsetReaches(`${victim.url}${location}`, HALF)
    await victim.kill()
    assert.equal((await fetch(`${base}/v2/killed/blobs/${DIGEST}`, {method: 'HEAD'})).status, 404)
    await finishFrom(base, location, HALF)
    assert.equal(await pullDigest(`${base}/v2/killed/blobs/${DIGEST}`, 0), DIGEST)
  })
})

async function push(base: string, repository: string, bytes: Buffer<ArrayBuffer>): Promise<void> {
  const location = await open(base, repository)
  const stored = await fetch(`${base}${location}?digest=${digestOf(bytes)}`, {method: 'PUT', body: bytes})
  assert.equal(stored.status, 201)
}

async function open(base: string, repository: string): Promise<string> {
  const opened = await fetch(`${base}/v2/${repository}/blobs/uploads/`, {method: 'POST'})
  assert.equal(opened.status, 202)
  return opened.headers.get('location') ?? ''
}

/** Asks for the offset, sends what lacks and finishes; the session must hold exactly `expectedOffset` bytes. */
async function finishFrom(base: string, location: string, expectedOffset: number): Promise<void> {
  await offsetReaches(`${base}${location}`, expectedOffset)
  const rest = {headers: {'Content-Range': `${expectedOffset}-${BLOB.length - 1}`}, body: BLOB.subarray(expectedOffset)}
  // The store may still be writing what came before the connection broke; a client asks again.
  let stored = await fetch(`${base}${location}?digest=${DIGEST}`, {method: 'PUT', ...rest})
  for (let tries = 0; stored.status === 416 && tries < 5_000; tries += 1) {
    await sleep(20)
    stored = await fetch(`${base}${location}?digest=${DIGEST}`, {method: 'PUT', ...rest})
  }
  assert.equal(stored.status, 201)
}

async function offsetReaches(url: string, offset: number): Promise<void> {
  for (let tries = 0; tries < 5_000; tries += 1) {
    const status = await fetch(url)
    assert.equal(status.status, 204)
    if (status.headers.get('range') === `0-${offset - 1}`) return
    await sleep(20)
  }
  assert.fail(`the upload never reached ${offset} bytes`)
}

/** Pulls a blob, waiting after each chunk, and answers with the digest of what came. */
async function pullDigest(url: string, pauseMs: number): Promise<string> {
  const hash = createHash('sha256')
  const [response] = await once(get(url, {agent: false}), 'response')
  assert.equal(response.statusCode, 200)
  for await (const chunk of response) {
    hash.update(chunk)
    if (pauseMs > 0) await sleep(pauseMs)
  }
  return `sha256:${hash.digest('hex')}`
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

interface SpawnedServer {
  readonly url: string
  kill(): Promise<void>
}

async function spawnServer(dataDirectory: string): Promise<SpawnedServer> {
  const program = new URL('../../../src/lib/server/serve.ts', import.meta.url).href
  const script = `import {serveRegistry} from ${JSON.stringify(program)}
    const {address} = await serveRegistry({dataDirectory: process.argv[1], host: '127.0.0.1', port: 0})
    console.log(address.port)`
  const child = spawnChild(process.execPath, ['--input-type=module', '-e', script, dataDirectory], {stdio: ['ignore', 'pipe', 'inherit']})
  const [port] = await once(createInterface({input: child.stdout}), 'line')
  return {
    url: `http://127.0.0.1:${port}`,
    kill: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
