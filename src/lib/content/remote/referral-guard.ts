/**
 * Judges addresses where connections are made, since a name may resolve to anything at any time: a registry must not send us into the network that we are in. The
 * registry itself may be anywhere.
 */
import {type AddressClass, type AddressGuard, type AddressPolicy, type AddressRefusal, classifyAddress} from '../../core/address-policy.ts'
import {isOwnName, isTrustedHost, type TrustingEndpoint, trustCommands} from './realm-trust.ts'

/** From the most to the least enclosed. */
const REACH: readonly AddressClass[] = ['loopback', 'private', 'public']

/**
 * Makes the guard of one client of one registry. Another host than the registry's own is never connected to at a link-local or metadata address; on loopback only for a
 * registry on loopback; in a private network only for a registry that is inside one as well, or when the host is pinned or trusted.
 * @param policy judges every address, also those of the registry.
 */
export function createReferralGuard(endpoint: TrustingEndpoint, policy?: AddressPolicy): AddressGuard {
  const base = new URL(`https://${endpoint.apiHost ?? endpoint.registry}`)
  /** The least enclosed address at which the registry was reached; a name that resolves now outside and now inside counts as outside. */
  let reached: AddressClass | undefined
  const isReachedWithin = (kind: AddressClass): boolean => reached !== undefined && REACH.indexOf(reached) <= REACH.indexOf(kind)
  return {
    refusal(origin, address): AddressRefusal | undefined {
      if (policy?.(address) === false) return {reason: 'it is not among the networks that may be connected to', hints: []}
      if (isOwnName(origin, base, endpoint)) return undefined
      const kind = classifyAddress(address)
      if (kind === 'public') return undefined
      const leads = `registry "${endpoint.registry}" leads there, and it is`
      if (kind === 'loopback') return isReachedWithin(kind) ? undefined : {reason: `${leads} this machine`, hints: []}
      if (kind !== 'private') return {reason: `${leads} a link-local or metadata address`, hints: []}
      if (isReachedWithin(kind) || isTrustedHost(origin, endpoint)) return undefined
      return {reason: `${leads} an address inside a private network`, hints: trustCommands(origin.host, endpoint)}
    },
    connected(origin, address) {
      if (!isOwnName(origin, base, endpoint)) return
      const kind = classifyAddress(address)
      const enclosure = kind === undefined || kind === 'forbidden' ? 'public' : kind
      if (reached === undefined || REACH.indexOf(enclosure) > REACH.indexOf(reached)) reached = enclosure
    },
  }
}
