/** Ports of loopback that nobody listens on. */
import {once} from 'node:events'
import {type AddressInfo, createServer} from 'node:net'

/** Below those that the system gives to connections: one that is free between two servers stays free. */
const LOWEST = 20_000
const HIGHEST = 32_000

export async function freePort(): Promise<number> {
  const port = await listen(0)
  if (port === undefined) throw new Error('there is no free port')
  return port
}

/** The first of so many that follow one another. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    const found = await Promise.all(Array.from({length: count}, (_, index) => listen(first + index)))
    if (found.every((port) => port !== undefined)) return first
  }
}

async function listen(wanted: number): Promise<number | undefined> {
  const server = createServer()
  try {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return undefined
  }
  const {port} = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
