/** Copies between two registries of which each request may fail in some way: which, the seed decides alone. */
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {createServer, type IncomingMessage, type ServerResponse, request as send} from 'node:http'
import type {AddressInfo} from 'node:net'
import {createRemoteStore} from '../../src/lib/content/remote/store.ts'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {type Clock, SYSTEM_CLOCK} from '../../src/lib/core/retry.ts'
import {createWireClient} from '../../src/lib/http/wire/client.ts'
import {parseReference, type RegistryHost} from '../../src/lib/oci/reference.ts'
import {serveRegistry} from '../../src/lib/server/serve.ts'
import {CopyRun} from '../../src/lib/transfer/copy.ts'
import {createImage, createIndex, createLayer, type SampleImage} from './images.ts'
import {fetchBlob, fetchManifest, pushImage} from './push-image.ts'

/** What may happen to a request: `pass` is its right answer. */
const FAULTS = [
  'refused',
  'answer-lost',
  'cut',
  'flipped',
  'digest-stripped',
  'empty-200',
  'empty-201',
  'page',
  '403',
  '404',
  '408',
  '429',
  '500',
  '503',
] as const
type Fault = (typeof FAULTS)[number] | 'pass'

/** Requests by what they are for. */
const KINDS: readonly ((method: string, path: string) => boolean)[] = [
  (method, path) => method === 'HEAD' && path.includes('/manifests/'),
  (method, path) => method === 'GET' && path.includes('/manifests/'),
  (method, path) => method === 'PUT' && path.includes('/manifests/'),
  (method, path) => method === 'HEAD' && path.includes('/blobs/'),
  (method, path) => method === 'GET' && path.includes('/blobs/'),
  (method) => method === 'POST',
  (method, path) => method === 'PUT' && path.includes('/blobs/'),
]

/** The seeds below this let one kind of request fail, always and in one way; each other seed lets any request fail by chance. */
export const SYSTEMATIC_SEEDS = KINDS.length * FAULTS.length

/** How one copy ended. */
export interface CampaignCopy {
  readonly seed: number
  readonly outcome: 'copied' | 'failed'
  /** Of the error. */
  readonly code?: string
  readonly faults: number
}

export interface Campaign {
  /** Copies once. Throws when a copy that succeeded is not whole at the target, when an error has no name, or when a tag is left on an image that is not whole. */
  copy(seed: number): Promise<CampaignCopy>
  close(): Promise<void>
}

/** Starts two registries in `directory`, with something before each that fails. */
export async function startCampaign(directory: string): Promise<Campaign> {
  const [source, target] = await Promise.all(
    ['source', 'target'].map((name) => serveRegistry({dataDirectory: `${directory}/${name}`, host: '127.0.0.1', port: 0})),
  )
  assert.ok(source !== undefined && target !== undefined)
  const urls = [source, target].map(({address}) => `http://127.0.0.1:${address.port}`)
  const [sourceUrl = '', targetUrl = ''] = urls
  const [before, after] = await Promise.all([startFaultyProxy(sourceUrl), startFaultyProxy(targetUrl)])
  const image = sampleImage()
  await pushImage(sourceUrl, 'app', 'v1', image)
  return {
    copy: async (seed) => {
      const random = randomOf(seed)
      const choose = scheduleOf(seed, random)
      let faults = 0
      const draw = (method: string, path: string): Fault => {
        const fault = choose(method, path)
        if (fault !== 'pass') faults++
        return fault
      }
      before.draw = draw
      after.draw = draw
      const http = createWireClient()
      const clock = createFastClock(random)
      const storeOf = (host: string) =>
        createRemoteStore({http, clock, endpoint: {registry: host as RegistryHost, plainHttp: 'always', tls: {}, capabilities: {}}})
      const repository = `copy-${seed}`
      try {
        const report = await new CopyRun({blobConcurrency: 2}).copy({
          source: {store: storeOf(before.host), reference: parseReference(`${before.host}/app:v1`)},
          target: {store: storeOf(after.host), reference: parseReference(`${after.host}/${repository}:v1`), isFresh: random() < 0.5},
        })
        assert.equal(report.digest, image.digest, `seed ${seed}: another digest is reported`)
        await assertWhole(targetUrl, repository, image, seed)
        return {seed, outcome: 'copied', faults}
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code === 'INTERNAL') throw error
        if ((await fetchManifest(targetUrl, repository, 'v1')) !== undefined) await assertWhole(targetUrl, repository, image, seed)
        return {seed, outcome: 'failed', code: error.code, faults}
      } finally {
        http.close()
      }
    },
    close: async () => {
      before.close()
      after.close()
      await Promise.all([source, target].map((served) => served.stop({graceMs: 0})))
    },
  }
}

function scheduleOf(seed: number, random: () => number): (method: string, path: string) => Fault {
  const isKind = KINDS[Math.floor(seed / FAULTS.length)]
  const fault = FAULTS[seed % FAULTS.length] ?? 'pass'
  if (isKind !== undefined) return (method, path) => (isKind(method, path) ? fault : 'pass')
  const rate = random() * 0.3
  return () => (random() < rate ? (FAULTS[Math.floor(random() * FAULTS.length)] ?? 'pass') : 'pass')
}

async function assertWhole(url: string, repository: string, image: SampleImage, seed: number): Promise<void> {
  for (const reference of ['v1', image.digest, ...image.children.map(({digest}) => digest)]) {
    const found = await fetchManifest(url, repository, reference)
    const expected = reference === 'v1' ? image.digest : reference
    assert.equal(found && sha256(found.bytes), expected, `seed ${seed}: ${reference} is not at the target`)
  }
  for (const {digest} of image.children.flatMap(({blobs}) => blobs)) {
    const bytes = await fetchBlob(url, repository, digest)
    assert.equal(bytes && sha256(bytes), digest, `seed ${seed}: a blob is not at the target`)
  }
}

function sampleImage(): SampleImage {
  const base = createLayer('base', 'shared', 40_000)
  return createIndex({
    'linux/amd64': createImage([base, createLayer('app', 'amd64')]),
    'linux/arm64': createImage([base, createLayer('app', 'arm64')], {architecture: 'arm64'}),
  })
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Numbers from 0 up to 1 that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A clock that jumps where it would wait. */
function createFastClock(random: () => number): Clock {
  let elapsedMs = 0
  return {
    random,
    now: () => SYSTEM_CLOCK.now() + elapsedMs,
    sleep: async (ms) => {
      elapsedMs += ms
    },
  }
}

interface FaultyProxy {
  readonly host: string
  draw: (method: string, path: string) => Fault
  close(): void
}

async function startFaultyProxy(upstream: string): Promise<FaultyProxy> {
  const server = createServer((request, response) => {
    answer(proxy.draw(request.method ?? '', request.url ?? ''), upstream, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultyProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    draw: () => 'pass',
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return proxy
}

async function answer(fault: Fault, upstream: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (fault === 'refused') return void request.socket.destroy()
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  if (fault === 'page') return void response.writeHead(200, {'content-type': 'text/html'}).end('<!doctype html><title>Sign in</title>')
  if (fault === 'empty-200' || fault === 'empty-201') return void response.writeHead(Number(fault.slice(-3))).end()
  if (/^[0-9]+$/.test(fault)) return void response.writeHead(Number(fault), {'retry-after': '60', 'content-length': '0'}).end()
  const {status, headers, body} = await forward(upstream, request, Buffer.concat(chunks))
  if (fault === 'answer-lost') return void request.socket.destroy()
  if (fault === 'flipped' && body.length > 0) body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1
  if (fault === 'digest-stripped') delete headers['docker-content-digest']
  response.writeHead(status, headers)
  if (fault !== 'cut' || body.length === 0) return void response.end(body)
  response.write(body.subarray(0, body.length >> 1), () => response.destroy())
}

function forward(upstream: string, {method, url, headers}: IncomingMessage, sent: Buffer) {
  return new Promise<{status: number; headers: IncomingMessage['headers']; body: Buffer}>((resolve, reject) => {
    const forwarded = send(`${upstream}${url}`, {method, headers, agent: false}, (answered) => {
      const parts: Buffer[] = []
      answered.on('data', (part: Buffer) => parts.push(part))
      answered.on('error', reject)
      answered.on('end', () => resolve({status: answered.statusCode ?? 0, headers: answered.headers, body: Buffer.concat(parts)}))
    })
    forwarded.on('error', reject)
    forwarded.end(sent)
  })
}
