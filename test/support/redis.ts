/** The genuine Redis with a password, on a free port of loopback; nothing of it is kept. */
import {once} from 'node:events'
import {connect} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import {spawnChild} from './child-process.ts'
import {freePort} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'

const POLL_MS = 20

export interface Redis {
  /** `127.0.0.1:port` */
  readonly address: string
  stop(): Promise<void>
}

export async function startRedis(password: string): Promise<Redis> {
  const port = await freePort()
  const child = spawnChild('redis-server', ['-'], {stdio: ['pipe', 'ignore', 'ignore']})
  child.stdin.end(`port ${port}\nbind 127.0.0.1\nrequirepass ${password}\nsave ""\nappendonly no\n`)
  for (const end = Date.now() + PATIENCE_MS; !(await answers(port)); await sleep(POLL_MS)) {
    if (Date.now() > end || child.exitCode !== null) throw new Error('Redis does not start')
  }
  return {
    address: `127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({port, host: '127.0.0.1'})
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
