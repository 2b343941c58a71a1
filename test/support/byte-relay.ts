/** A TCP relay that tells when so many bytes went through it: how a test does something in the middle of an upload or a download. */
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'

export interface ByteRelayOptions {
  /** Where it relays to, on 127.0.0.1. */
  readonly port: number
  readonly direction: 'to-server' | 'to-client'
  /** Bytes in that direction, over all connections, after which `onReached` is called, once. */
  readonly bytes: number
  readonly onReached: () => void
}

export interface ByteRelay {
  /** `127.0.0.1:port`. */
  readonly host: string
  /** Whether the bytes went through. */
  readonly wasReached: () => boolean
  /** Breaks the connections there are; new ones are relayed. */
  dropConnections(): void
  stop(): Promise<void>
}

/** Starts a relay on a free port. */
export async function startByteRelay({port, direction, bytes, onReached}: ByteRelayOptions): Promise<ByteRelay> {
  const sockets = new Set<Socket>()
  let moved = 0
  let isReached = false
  const count = (chunk: Buffer): void => {
    moved += chunk.length
    if (isReached || moved < bytes) return
    isReached = true
    onReached()
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    if (direction === 'to-server') client.on('data', count)
    else upstream.on('data', count)
    client.pipe(upstream)
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    wasReached: () => isReached,
    dropConnections: () => {
      for (const socket of sockets) socket.destroy()
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
