/** Name resolution that leads only where it may: a name is judged by what it resolves to at the moment of connecting, so that nothing changes in between. */
import {lookup} from 'node:dns'
import {isIP, type LookupFunction} from 'node:net'
import type {AddressGuard, AddressRefusal} from '../../core/address-policy.ts'
import {settlesWithin} from '../../core/settle-within.ts'

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

/** @throws {AddressRefusedError} for an address that may not be connected to; names are judged by `guardedLookup`, and behind a proxy by `ProxiedNames`. */
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

/** A proxy resolves by itself, and may be the only one that can: what does not resolve here by then is left to it. */
const RESOLVE_MS = 3_000
/** A resolver that gives no answer is not asked for the same name at each connection. */
const UNRESOLVED_MS = 60_000
const MAX_UNRESOLVED = 1_000

/**
 * Judges a name that a proxy is about to resolve, by what it resolves to here: a name that leads inside here is refused. One that does not resolve here is left to
 * the proxy, which is then the only guard.
 */
export class ProxiedNames {
  readonly #resolve: ResolveHost
  /** Until when each name is left to the proxy; oldest first. */
  readonly #unresolved = new Map<string, number>()

  constructor(resolve: ResolveHost = lookup) {
    this.#resolve = resolve
  }

  /** @throws {AddressRefusedError} when one of its addresses may not be connected to. */
  async judge(hostname: string, origin: URL, guard: AddressGuard): Promise<void> {
    const addresses = isIP(hostname) === 0 ? await this.#addressesOf(hostname) : [hostname]
    for (const address of addresses) {
      const refusal = guard.refusal(origin, address)
      if (refusal !== undefined) throw new AddressRefusedError(refusal)
    }
    for (const address of addresses) guard.connected?.(origin, address)
  }

  async #addressesOf(hostname: string): Promise<readonly string[]> {
    if ((this.#unresolved.get(hostname) ?? 0) > performance.now()) return []
    const {promise, resolve: found} = Promise.withResolvers<readonly string[]>()
    this.#resolve(hostname, {all: true}, (error, addresses) => found(error === null ? addresses.map(({address}) => address) : []))
    const addresses = (await settlesWithin(promise, RESOLVE_MS)) ? await promise : []
    this.#unresolved.delete(hostname)
    if (addresses.length === 0) this.#unresolved.set(hostname, performance.now() + UNRESOLVED_MS)
    for (const oldest of this.#unresolved.keys()) {
      if (this.#unresolved.size <= MAX_UNRESOLVED) break
      this.#unresolved.delete(oldest)
    }
    return addresses
  }
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
