/** A registry that does what a test tells it to, over a real socket. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import type {SessionOptions} from '../../../src/lib/content/remote/session.ts'
import {createRemoteStore, type RemoteStore} from '../../../src/lib/content/remote/store.ts'
import type {BlobSource} from '../../../src/lib/content/store.ts'
import {type Clock, SYSTEM_CLOCK} from '../../../src/lib/core/retry.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import type {RegistryHost, RepositoryName, Tag} from '../../../src/lib/oci/reference.ts'

export const REPOSITORY = 'team/app' as RepositoryName
export const OTHER = 'team/base' as RepositoryName
export const TAG = 'v1' as Tag

export interface Seen {
  readonly method: string
  /** With the query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Answers one request; `seen.body` is empty when `readsBodyItself` says that the answer reads the body. */
export type Answer = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void | Promise<void>

export interface ScriptedRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly url: string
  /** Every request, in order of arrival. */
  readonly seen: Seen[]
  /** `METHOD /path` of every request. */
  readonly lines: () => readonly string[]
  answer: Answer
  /** Rejects with what an answer threw. */
  close(): Promise<void>
}

/** Starts one; its bodies are read before it answers, unless the request's path is in `streaming`. */
export async function startScriptedRegistry(
  answer: Answer,
  readsBodyItself: (seen: Seen) => boolean = () => false,
): Promise<ScriptedRegistry> {
  const seen: Seen[] = []
  let failure: unknown
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.on('error', () => {})
    const head = {method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.alloc(0)}
    const isStreamed = readsBodyItself(head)
    const chunks: Buffer[] = []
    try {
      if (!isStreamed) for await (const chunk of request) chunks.push(chunk)
    } catch {
      chunks.push(Buffer.from('<broken>'))
    }
    const whole = {...head, body: Buffer.concat(chunks)}
    seen.push(whole)
    await registry.answer(whole, response, request)
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      failure ??= error
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const registry: ScriptedRegistry = {
    host,
    url: `http://${host}`,
    seen,
    lines: () => seen.map(({method, url}) => `${method} ${url}`),
    answer,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(() => (failure === undefined ? resolve() : reject(failure)))
        server.closeAllConnections()
      }),
  }
  return registry
}

/** Answers with JSON or bytes, and a Content-Length. */
export function reply(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body: string | Buffer | object = '',
): void {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  response.writeHead(status, {'content-length': String(bytes.length), ...headers}).end(bytes)
}

/** A clock that does not wait, and writes down for how long it would have. */
interface FastClock extends Clock {
  readonly slept: number[]
}

function createFastClock(): FastClock {
  let elapsed = 0
  const slept: number[] = []
  return {
    slept,
    now: () => SYSTEM_CLOCK.now() + elapsed,
    random: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
      elapsed += ms
    },
  }
}

export interface TestStore {
  readonly store: RemoteStore
  readonly clock: FastClock
  close(): void
}

export function storeFor(host: string, options: Partial<SessionOptions> = {}, endpoint: Partial<RegistryEndpoint> = {}): TestStore {
  const http = createWireClient()
  const clock = createFastClock()
  const store = createRemoteStore({
    http,
    clock,
    endpoint: {registry: host as RegistryHost, plainHttp: 'always', tls: {}, capabilities: {}, ...endpoint},
    ...options,
  })
  return {store, clock, close: () => http.close()}
}

/** Bytes in memory as a source: pushed in slices, waiting when the sink asks for it; `starts` tells from where it was read each time. */
export function sourceOf(bytes: Uint8Array, sliceBytes = 64 * 1024): {readonly source: BlobSource; readonly starts: number[]} {
  const starts: number[] = []
  const source: BlobSource = async (sink, start, signal) => {
    starts.push(start)
    for (let at = start; at < bytes.length; at += sliceBytes) {
      if (signal?.aborted) throw new Error('the source was stopped')
      const slice = bytes.subarray(at, at + sliceBytes)
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('the source was stopped')), {once: true})
        if (sink.write(slice, resolve)) resolve()
      })
    }
  }
  return {source, starts}
}
