/** A network with latency between a server and its clients, in this process: what is sent arrives so much later, in its order. */
import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'

export interface LatentRelay {
  readonly port: number
  close(): void
}

/** @param roundTripMs half of it in each direction. */
export async function startLatentRelay(host: string, port: number, roundTripMs: number): Promise<LatentRelay> {
  const sockets = new Set<Socket>()
  const server = createServer({noDelay: true}, (client) => {
    const target = connect({host, port, noDelay: true})
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from)
      const end = (): void => {
        sockets.delete(from)
        setTimeout(() => to.destroy(), roundTripMs / 2)
      }
      from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), roundTripMs / 2))
      from.on('error', end).on('close', end)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
