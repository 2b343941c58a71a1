/** Where a server is told to listen. */
import {HoldfastError} from '../core/errors.ts'

const ADDRESS = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):)?([0-9]{1,5})$/
const DEFAULT_HOST = '127.0.0.1'
const MAX_PORT = 65_535

/**
 * Parses `HOST:PORT`, `[IPV6]:PORT` or `PORT`.
 * @throws {HoldfastError} USAGE
 */
export function parseListenAddress(text: string): {readonly host: string; readonly port: number} {
  const match = ADDRESS.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > MAX_PORT) {
    throw new HoldfastError('USAGE', `cannot listen on "${text.slice(0, 100)}": it is not HOST:PORT`, {
      hints: ['run the same command with --listen 127.0.0.1:0'],
    })
  }
  return {host: match[1] ?? match[2] ?? DEFAULT_HOST, port}
}
