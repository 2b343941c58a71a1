/** A registry of which one request in five fails, by chance: through a mirror clients get at least what they get directly, and through the stock mirror. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {createServer, type IncomingMessage, type Server, type ServerResponse, request as send} from 'node:http'
import type {AddressInfo} from 'node:net'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {randomOf} from '../support/copy-campaign.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast} from '../support/holdfast.ts'
import {createImage, createLayer, OCI_MANIFEST} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const IMAGES = 30
const FAULT_RATE = 0.2
const SEED = 4711
/** Of a client, for each request. */
const TRIES = 2
const FAULTS = ['500', '503', 'reset', 'page', 'cut', 'flipped'] as const

const images = Array.from({length: IMAGES}, (_, index) =>
  createImage([createLayer('base', 'of all'), createLayer('app', `image ${index}`, 2_000)]),
)

describe('a mirror of a registry of which one request in five fails', function () {
  this.timeout(180_000)
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let origin: DockerRegistry

  before(async () => {
    origin = await startDockerRegistry()
    afterwards(origin.stop)
    for (const [index, image] of images.entries()) await pushImage(origin.url, `shop/r${index}`, 'v1', image)
  })

  /** The origin behind faults that the seed decides. */
  async function startFaulty(): Promise<string> {
    const random = randomOf(SEED)
    const server: Server = createServer((request, response) => {
      const isPing = request.url === '/v2/'
      const fault = !isPing && random() < FAULT_RATE ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined
      passOn(request, response, fault).catch(() => response.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => {
      server.close()
      server.closeAllConnections()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async function passOn(request: IncomingMessage, response: ServerResponse, fault: (typeof FAULTS)[number] | undefined): Promise<void> {
    if (fault === 'reset') return void request.socket.destroy()
    if (fault === 'page') return void response.writeHead(200, {'content-type': 'text/html'}).end('<html>log in</html>')
    if (fault === '500' || fault === '503') return void response.writeHead(Number(fault), {'content-length': '0'}).end()
    const answered = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {...request.headers, host: origin.host}
      send(`${origin.url}${request.url}`, {method: request.method, headers, agent: false}, resolve).on('error', reject).end()
    })
    const parts: Buffer[] = []
    for await (const part of answered) parts.push(part)
    const body = Buffer.concat(parts)
    if (fault === 'flipped' && body.length > 0) body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1
    response.writeHead(answered.statusCode ?? 502, answered.headers)
    if (fault === 'cut' && body.length > 0) response.write(body.subarray(0, body.length >> 1), () => response.destroy())
    else response.end(body)
  }

  /** A client that believes what has the right digest, and asks again otherwise. */
  async function get(url: string, digest: string): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const bytes = await fetch(url, {headers: {accept: OCI_MANIFEST}})
        .then(async (answer) => (answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : undefined))
        .catch(() => undefined)
      if (bytes !== undefined && `sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest) return true
    }
    return false
  }

  async function countPulled(url: string): Promise<number> {
    let pulled = 0
    for (const [index, image] of images.entries()) {
      const base = `${url}/v2/shop/r${index}`
      let isWhole = await get(`${base}/manifests/v1`, image.digest)
      for (const {digest} of image.blobs) isWhole = isWhole && (await get(`${base}/blobs/${digest}`, digest))
      if (isWhole) pulled++
    }
    return pulled
  }

  it('serves images at least as often as the registry itself, and as the stock mirror', async () => {
    const temporary = await createTemporaryDirectory('faults')
    afterwards(temporary.remove)
    const mirror = await serveMirror(await createHoldfast(temporary.path), ['--upstream', await startFaulty()])
    afterwards(() => mirror.stop())
    const stock = await startDockerRegistry({proxy: await startFaulty()})
    afterwards(stock.stop)
    const direct = await countPulled(await startFaulty())
    const [ours, theirs] = [await countPulled(mirror.url), await countPulled(stock.url)]
    assert.ok(ours >= direct, `${ours} of ${IMAGES} through the mirror, ${direct} directly`)
    assert.ok(ours >= theirs, `${ours} of ${IMAGES} through the mirror, ${theirs} through the stock mirror`)
    process.stderr.write(`\n    ${ours} of ${IMAGES} images through the mirror, ${direct} directly, ${theirs} through the stock mirror\n`)
  })
})
