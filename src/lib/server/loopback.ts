/**
 * Who may talk to a server without authentication: programs on the same machine. Listening on loopback keeps other machines out; the checks of `Host` and
 * `Origin` keep out web pages that a browser on this machine shows (DNS rebinding, cross-site requests).
 */
import {lookup} from 'node:dns/promises'
import type {IncomingMessage} from 'node:http'
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from '../core/errors.ts'
import {SpecError} from './spec-error.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

const HOST_HEADER = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@/]+))(?::[0-9]{1,5})?$/

/**
 * Checks where an unauthenticated server wants to listen and answers with the address to bind.
 * @param host an IP address, or a name of which every address must be loopback.
 * @throws {HoldfastError} LISTEN_NOT_LOOPBACK
 */
export async function assertLoopback(host: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0) {
    if (!isLoopbackAddress(bare)) throw notLoopback(host, 'it can be reached from other machines')
    return bare
  }
  const addresses = await lookup(bare, {all: true}).catch((cause: unknown) => {
    throw notLoopback(host, 'the name has no address', cause)
  })
  const outside = addresses.find(({address}) => !isLoopbackAddress(address))
  if (outside !== undefined) throw notLoopback(host, `the name means ${outside.address}, which can be reached from other machines`)
  const first = addresses.find(({family}) => family === 4) ?? addresses[0]
  if (first === undefined) throw notLoopback(host, 'the name has no address')
  return first.address
}

/**
 * The address to bind for a name or an address.
 * @throws {HoldfastError} CONFIGURATION when the name has none.
 */
export async function addressOf(host: string): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0) return bare
  const {address} = await lookup(bare).catch((cause: unknown) => {
    throw new HoldfastError('CONFIGURATION', `cannot listen on "${host}": the name has no address`, {details: {host}, cause})
  })
  return address
}

/**
 * Refuses a request that a web page may have made.
 * @throws {SpecError} 421 when it was sent to a name that is not this machine's own; 403 when it would change something and names a web origin.
 */
export function assertLocalRequest(request: IncomingMessage): void {
  if (!isLoopbackHostHeader(request.headers.host)) {
    throw new SpecError(421, 'DENIED', 'this registry answers to localhost and loopback addresses only')
  }
  const changes = request.method !== 'GET' && request.method !== 'HEAD'
  if (changes && request.headers.origin !== undefined) {
    throw new SpecError(403, 'DENIED', 'this registry takes no changes from web pages')
  }
}

function isLoopbackHostHeader(header: string | undefined): boolean {
  const match = HOST_HEADER.exec(header ?? '')
  const host = match?.[1] ?? match?.[2]
  return host !== undefined && (host.toLowerCase() === 'localhost' || isLoopbackAddress(host))
}

export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

function notLoopback(host: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError('LISTEN_NOT_LOOPBACK', `cannot listen on "${host}": ${reason}, and this server has no authentication`, {
    hints: ['holdfast serve --listen 127.0.0.1:5050'],
    details: {host},
    ...(cause === undefined ? {} : {cause}),
  })
}
