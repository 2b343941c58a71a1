/** A genuine Consul agent in its development mode, where the machine has one: it is in no release of Debian that is supported now. */
import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'
import {spawnChild} from './child-process.ts'
import {freePort} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'

const POLL_MS = 50

export interface Consul {
  readonly url: string
  readonly dnsServer: string
  stop(): Promise<void>
}

/** The program: HOLDFAST_TEST_CONSUL, or `consul` of the PATH. */
export function findConsul(): string | undefined {
  return process.env.HOLDFAST_TEST_CONSUL || findProgram('consul')
}

export async function startConsul(program: string): Promise<Consul> {
  const [http, dns, lan, wan, rpc] = await Promise.all([1, 2, 3, 4, 5].map(freePort))
  const ports = ['-http-port', http, '-dns-port', dns, '-grpc-port', -1, '-serf-lan-port', lan, '-serf-wan-port', wan, '-server-port', rpc]
  const args = ['agent', '-dev', '-bind', '127.0.0.1', '-client', '127.0.0.1', '-disable-host-node-id', ...ports.map(String)]
  const child = spawnChild(program, args, {stdio: 'ignore', env: {PATH: process.env.PATH, HOME: process.env.HOME}})
  const url = `http://127.0.0.1:${http}`
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const leader = await fetch(`${url}/v1/status/leader`).then(
      (answer) => answer.text(),
      () => '',
    )
    if (leader.includes(':')) break
    if (Date.now() > end || child.exitCode !== null) throw new Error('consul does not start')
    await sleep(POLL_MS)
  }
  return {
    url,
    dnsServer: `127.0.0.1:${dns}`,
    async stop() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
