/** Ports of loopback that nobody listens on. */
import {once} from 'node:events'
import {type AddressInfo, createServer} from 'node:net'

/** Below those that the system gives to connections: one that is free between two servers stays free. Each worker of a test run has a range of its own. */
const LOWEST = 12_000
const RANGE = 5_000
const RANGES = 4
const first = LOWEST + (Number(process.env.MOCHA_WORKER_ID ?? RANGES - 1) % RANGES) * RANGE

export function freePort(): Promise<number> {
  return freePorts(1)
}

/** The first of so many that follow one another. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const lowest = first + Math.floor(Math.random() * (RANGE - count))
    const found = await Promise.all(Array.from({length: count}, (_, index) => listen(lowest + index)))
    if (found.every((port) => port !== undefined)) return lowest
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
