/** Which addresses a server may be led to by what others declared: the guard against server-side request forgery, applied to what a name resolves to. */
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from './errors.ts'

/** Answers whether an IP address may be connected to. */
export type AddressPolicy = (address: string) => boolean

/** Where clouds tell a machine its own secrets, and what means no other machine. */
const NEVER = new BlockList()
NEVER.addSubnet('169.254.0.0', 16, 'ipv4')
NEVER.addSubnet('0.0.0.0', 8, 'ipv4')
NEVER.addSubnet('224.0.0.0', 3, 'ipv4')
NEVER.addSubnet('fe80::', 10, 'ipv6')
NEVER.addSubnet('ff00::', 8, 'ipv6')
NEVER.addAddress('::', 'ipv6')
NEVER.addAddress('fd00:ec2::254', 'ipv6')

/**
 * Allows these networks (`10.0.0.0/8`, `2001:db8::/32`, or one address), and every one when there is none; never link-local, unspecified and multicast addresses.
 * @throws {HoldfastError} USAGE for what is no network.
 */
export function createAddressPolicy(networks: readonly string[]): AddressPolicy {
  const allowed = new BlockList()
  for (const network of networks) {
    const [address = '', prefix, ...rest] = network.split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? undefined : /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    if (family === 0 || rest.length > 0 || !(bits === undefined || bits <= (family === 4 ? 32 : 128))) {
      throw new HoldfastError('USAGE', `cannot allow network "${network}": it is no address and no network in CIDR notation`, {
        hints: ['--registry-network 10.0.0.0/8'],
      })
    }
    if (bits === undefined) allowed.addAddress(address, familyName(family))
    else allowed.addSubnet(address, bits, familyName(family))
  }
  return (address) => {
    const family = isIP(address)
    if (family === 0 || NEVER.check(address, familyName(family))) return false
    return networks.length === 0 || allowed.check(address, familyName(family))
  }
}

function familyName(family: number): 'ipv4' | 'ipv6' {
  return family === 4 ? 'ipv4' : 'ipv6'
}
