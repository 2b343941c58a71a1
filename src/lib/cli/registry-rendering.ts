/** What `registry render` is told, checked. */
import {HoldfastError} from '../core/errors.ts'

const MAX_PORT = 65_535

/** `host:port` of each replica, on ports one after the other. @throws {HoldfastError} USAGE */
export function parseReplicas(listen: string, count: number): readonly string[] {
  const [, host, port] = /^(\S+):([0-9]{1,5})$/.exec(listen) ?? []
  const first = Number(port)
  if (host === undefined || first < 1 || first + count - 1 > MAX_PORT) {
    throw new HoldfastError('USAGE', `cannot render: "${listen.slice(0, 200)}" is no HOST:PORT for ${count} replicas`, {
      hints: ['--listen 127.0.0.1:5000'],
    })
  }
  return Array.from({length: count}, (_, index) => `${host}:${first + index}`)
}
