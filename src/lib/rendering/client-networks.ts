/** Who may come to a mirror, and who is believed about where a client comes from: looked at before any configuration of nginx is written. */
import {parseNetwork} from '../core/address-policy.ts'
import {HoldfastError} from '../core/errors.ts'

export interface ClientNetworks {
  /** Networks of clients. */
  readonly allow: readonly string[]
  /** Proxies before this one. */
  readonly trustedProxies: readonly string[]
}

/** A network with fewer bits has clients in it beside the proxies: each of them could name any address as its own. */
const FEWEST_BITS_OF_PROXIES = {4: 8, 6: 16} as const

/** @throws {HoldfastError} CONFIGURATION when a network is none, none is allowed, or every forwarder would be believed. */
export function assertClientNetworks({allow, trustedProxies}: ClientNetworks): void {
  if (allow.length === 0) throw unsafe('no network is allowed', '--allow 10.0.0.0/8')
  for (const network of allow)
    if (parseNetwork(network) === undefined)
      throw unsafe(`"${network.slice(0, 100)}" is neither an address nor a network in CIDR notation`, '--allow 10.0.0.0/8')
  for (const network of trustedProxies) {
    const hint = '--trusted-proxy 10.0.0.7'
    const parsed = parseNetwork(network)
    if (parsed === undefined) throw unsafe(`"${network.slice(0, 100)}" is neither an address nor a network in CIDR notation`, hint)
    if (parsed.bits < FEWEST_BITS_OF_PROXIES[parsed.family]) throw unsafe(`"${network}" would let every client name its own address`, hint)
  }
}

function unsafe(reason: string, hint: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot write the configuration of nginx: ${reason}`, {hints: [hint]})
}
