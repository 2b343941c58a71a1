/** Access by network: a mirror answers whoever comes from where it is meant for, and nobody else. The address is the connection's; what a client says of itself is not believed. */
import type {AddressPolicy} from '../core/address-policy.ts'
import type {AccessControl} from './access-control.ts'
import {isProbe} from './route.ts'
import {SpecError} from './spec-error.ts'

/** @returns a check that throws {SpecError} 403 for every address that may not come. */
export function createNetworkAccess(mayCome: AddressPolicy): AccessControl {
  return ({request}, route) => {
    if (isProbe(route)) return undefined
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    if (mayCome(address)) return undefined
    throw new SpecError(403, 'DENIED', 'this address may not use the mirror')
  }
}
