/** Name resolution that leads only where it may: a name is judged by what it resolves to at the moment of connecting, so that nothing changes in between. */
import {lookup} from 'node:dns'
import {isIP, type LookupFunction} from 'node:net'
import type {AddressGuard, AddressRefusal} from '../../core/address-policy.ts'

/** As `dns.lookup` with `all`. */
export type ResolveHost = (
  hostname: string,
  options: Parameters<LookupFunction>[1] & {readonly all: true},
  answer: (error: NodeJS.ErrnoException | null, found: {readonly address: string; readonly family: number}[]) => void,
) => void

/** A host is, or has, an address that may not be connected to. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError'
  readonly hints: readonly string[]

  constructor({reason, hints}: AddressRefusal) {
    super(reason)
    this.hints = hints
  }
}

/** @throws {AddressRefusedError} for an address that may not be connected to; names are judged by `guardedLookup`. */
export function assertAllowed(host: string, origin: URL, guard: AddressGuard): void {
  const refusal = literalRefusal(host, origin, guard)
  if (refusal !== undefined) throw new AddressRefusedError(refusal)
}

/** Tells whether `host` is a name, or an address that may be connected to. */
export function isAllowed(host: string, origin: URL, guard: AddressGuard): boolean {
  return literalRefusal(host, origin, guard) === undefined
}

function literalRefusal(host: string, origin: URL, guard: AddressGuard): AddressRefusal | undefined {
  return isIP(host) === 0 ? undefined : guard.refusal(origin, host)
}

/** For `net.connect`: a name with a single address that may not be connected to is refused as a whole. */
export function guardedLookup(origin: URL, guard: AddressGuard | undefined, resolve: ResolveHost = lookup): LookupFunction {
  return (hostname, options, answer) => {
    resolve(hostname, {...options, all: true}, (error, found) => {
      if (error !== null) return answer(error, '')
      for (const {address} of found) {
        const refusal = guard?.refusal(origin, address)
        if (refusal !== undefined) return answer(new AddressRefusedError(refusal), '')
      }
      if (options.all === true) return answer(null, found)
      const [first] = found
      answer(null, first?.address ?? '', first?.family)
    })
  }
}
