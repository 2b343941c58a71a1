/** Access by network: a mirror answers whoever comes from where it is meant for, and nobody else. The address is the connection's; what a client says of itself is not believed. */
import type {AddressPolicy} from '../core/address-policy.ts'
import {connectionAddress} from './client-address.ts'
import type {Exchange} from './exchange.ts'
import {isProbe, type Route} from './route.ts'
import {SpecError} from './spec-error.ts'

/** Refuses a request by its connection alone. */
export type NetworkAccess = (exchange: Pick<Exchange, 'request'>, route: Route) => undefined

/** @returns a check that throws {SpecError} 403 for every address that may not come. */
export function createNetworkAccess(mayCome: AddressPolicy): NetworkAccess {
  return ({request}, route) => {
    if (isProbe(route)) return undefined
    if (mayCome(connectionAddress(request))) return undefined
    throw new SpecError(403, 'DENIED', 'this address may not use the mirror')
  }
}
