/** Where a request comes from: the address of its connection, or what a proxy that is trusted says of it. */
import type {IncomingMessage} from 'node:http'
import {isIP} from 'node:net'
import type {AddressPolicy} from '../core/address-policy.ts'

/** Returns the address of a connection; one of IPv4 as such, whatever the socket calls it. */
export function connectionAddress({socket}: Pick<IncomingMessage, 'socket'>): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

/**
 * Returns the address of the client: the last address in `X-Forwarded-For` that is not a proxy. Clients can forge the addresses before it.
 * @param isProxy Absent where no proxy is trusted, and the connection's address is all that is known.
 */
export function clientAddress(request: Pick<IncomingMessage, 'socket' | 'headers'>, isProxy: AddressPolicy | undefined): string {
  let address = connectionAddress(request)
  const chain = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
  while (isProxy?.(address) === true) {
    const next = chain.pop()?.trim() ?? ''
    if (isIP(next) === 0) return address
    address = next.replace(/^::ffff:/, '')
  }
  return address
}
