/** Name resolution that leads only where it may: a name is judged by what it resolves to at the moment of connecting, so that nothing changes in between. */
import {lookup as resolve} from 'node:dns'
import {isIP, type LookupFunction} from 'node:net'
import type {AddressPolicy} from '../../core/address-policy.ts'

/** A host is, or has, an address that may not be connected to. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError'
}

/** @throws {AddressRefusedError} for an address that may not be connected to; names are judged by `guardedLookup`. */
export function assertAllowed(host: string, mayConnect: AddressPolicy): void {
  if (isIP(host) !== 0 && !mayConnect(host)) throw new AddressRefusedError('it is not among the networks that may be connected to')
}

/** For `net.connect`: a name with a single address that may not be connected to is refused as a whole. */
export function guardedLookup(mayConnect: AddressPolicy): LookupFunction {
  return (hostname, options, answer) => {
    resolve(hostname, {...options, all: true}, (error, found) => {
      if (error !== null) return answer(error, '')
      if (found.length === 0 || found.some(({address}) => !mayConnect(address))) {
        return answer(new AddressRefusedError('it resolves to an address that may not be connected to'), '')
      }
      if (options.all === true) return answer(null, found)
      const [first] = found
      answer(null, first?.address ?? '', first?.family)
    })
  }
}
