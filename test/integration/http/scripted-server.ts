/** Servers of which a test decides every byte, and sinks that behave as badly as the contract allows. */
import {createHash, type Hash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {type AddressInfo, createServer, type Socket} from 'node:net'
import {createServer as createTlsServer, type TlsOptions} from 'node:tls'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import type {Certificate} from '../../support/certificates.ts'

/** What came on one connection, and a way to wait for more. */
export interface Peer {
  readonly socket: Socket
  /** Waits for the end of the next request's head and answers it; the body is left for `readBody`. */
  readHead(): Promise<string>
  readBody(sizeBytes: number): Promise<Buffer>
}

export interface ScriptedServer {
  readonly port: number
  readonly url: URL
  /** Connections accepted so far. */
  readonly peers: readonly Peer[]
  stop(): Promise<void>
}

/** Runs `script` for each connection; what it throws when its socket breaks is of no interest. */
export async function startScriptedServer(
  script: (peer: Peer, index: number) => Promise<void>,
  tlsOptions?: TlsOptions,
): Promise<ScriptedServer> {
  const peers: Peer[] = []
  const accept = (socket: Socket): void => {
    socket.on('error', () => {})
    const peer = new BufferedPeer(socket)
    peers.push(peer)
    script(peer, peers.length - 1).catch(() => socket.destroy())
  }
  const server = tlsOptions === undefined ? createServer(accept) : createTlsServer(tlsOptions, accept)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  return {
    port,
    url: new URL(`${tlsOptions === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`),
    peers,
    stop: async () => {
      for (const {socket} of peers) socket.destroy()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

export async function tlsOptionsOf(certificate: Certificate): Promise<TlsOptions> {
  return {cert: await readFile(certificate.certificateFile), key: await readFile(certificate.keyFile)}
}

class BufferedPeer implements Peer {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  #isEnded = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    socket.on('close', () => {
      this.#isEnded = true
      this.#wake()
    })
  }

  async readHead(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end >= 0) return this.#take(end + 4).toString('latin1')
      await this.#more()
    }
  }

  async readBody(sizeBytes: number): Promise<Buffer> {
    while (this.#bytes.length < sizeBytes) await this.#more()
    return this.#take(sizeBytes)
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  async #more(): Promise<void> {
    if (this.#isEnded) throw new Error('the client has gone')
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }
}

export const randomBody = (sizeBytes: number): Buffer => randomBytes(sizeBytes)

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** When a slice is given back: at once, on the next tick, or after some time, during which its bytes must stay as they are. */
export type Patience = 'at-once' | 'next-tick' | 'slow'

/**
 * A sink that hashes each slice at the very moment before it gives it back, so that a buffer that is reused too early shows as another digest.
 * `answer` is what write returns; a sink may say that it wants more although it holds what it has.
 */
export class HashingSink implements ByteSink {
  sizeBytes = 0
  /** Bytes held at the same time, at most. */
  mostHeldBytes = 0
  readonly #hash: Hash = createHash('sha256')
  readonly #patience: Patience
  readonly #answer: boolean
  readonly #delayMs: number
  #heldBytes = 0
  #held: {readonly chunk: Uint8Array; readonly release: () => void}[] = []

  constructor(patience: Patience, answer: boolean, delayMs = 1) {
    this.#patience = patience
    this.#answer = answer
    this.#delayMs = delayMs
  }

  get held(): number {
    return this.#held.length
  }

  get digest(): string {
    return this.#hash.copy().digest('hex')
  }

  write(chunk: Uint8Array, release: () => void): boolean {
    if (!this.#answer && this.#held.length > 0) throw new Error('a slice came although the one before was to be waited for')
    this.#held.push({chunk, release})
    this.#heldBytes += chunk.length
    this.mostHeldBytes = Math.max(this.mostHeldBytes, this.#heldBytes)
    if (this.#patience === 'at-once') this.#giveBack()
    else if (this.#patience === 'next-tick') process.nextTick(() => this.#giveBack())
    else setTimeout(() => this.#giveBack(), this.#delayMs)
    return this.#answer
  }

  #giveBack(): void {
    const slice = this.#held.shift()
    if (slice === undefined) throw new Error('a slice was given back twice')
    this.sizeBytes += slice.chunk.length
    this.#heldBytes -= slice.chunk.length
    this.#hash.update(slice.chunk)
    slice.release()
  }
}
