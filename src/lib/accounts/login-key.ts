/** What one account and one place are for counting logins, however they are written. */
import {isIPv6} from 'node:net'

/** Directories compare names without these (RFC 4518 §2.2, §2.3), without regard to case, and with several spaces as one (§2.6.1). */
const INVISIBLE = /\p{C}|\p{Variation_Selector}|\u034f|\ufffc/gu
const SPACES = /[\s\u0085]+/gu
/** A network of IPv6 has 2^64 addresses for its one owner. */
const IPV6_NETWORK_GROUPS = 4
const IPV6_GROUPS = 8

/** Returns the same text for all names that a directory could take for one. */
export function accountKey(name: string): string {
  return name.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll(SPACES, ' ').replaceAll(INVISIBLE, '').trim()
}

/** Returns the address, or the network of 64 bits for one of IPv6. */
export function placeKey(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap = tail === undefined ? [] : Array.from({length: Math.max(0, IPV6_GROUPS - groups.length - rest.length)}, () => '0')
  const network = [...groups, ...gap, ...rest].slice(0, IPV6_NETWORK_GROUPS)
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
