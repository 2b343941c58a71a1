/** Which addresses may be connected to: the guard against server-side request forgery, applied to what a name resolves to. */
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from './errors.ts'

/** Returns whether an IP address may be connected to. */
export type AddressPolicy = (address: string) => boolean

/** Judges every address that a connection would lead to, after name resolution and before anything is sent. */
export interface AddressGuard {
  /** Returns why `address`, which is that of `origin` or one that it resolves to, may not be connected to; undefined when it may. */
  refusal(origin: URL, address: string): AddressRefusal | undefined
  /** Told the address that a connection to `origin` was made to. */
  connected?(origin: URL, address: string): void
}

export interface AddressRefusal {
  /** A fact, to stand after a colon. */
  readonly reason: string
  /** Commands that allow the connection; none where nothing does. */
  readonly hints: readonly string[]
}

/**
 * `forbidden`: link-local, multicast, reserved and unspecified addresses, and those where clouds tell a machine its own secrets. `loopback`: this machine.
 * `private`: networks that are not routed on the internet.
 */
export type AddressClass = 'forbidden' | 'loopback' | 'private' | 'public'

const FORBIDDEN = listOf(
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  // Metadata services of Alibaba Cloud, Oracle Cloud and Azure outside of the link-local network.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  // Metadata services of AWS and Google Cloud.
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
)
const LOOPBACK = listOf(['127.0.0.0', 8], ['::1', 128])
const PRIVATE = listOf(
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['fc00::', 7],
  ['fec0::', 10],
  // NAT64 of a network of one's own (RFC 8215) and Teredo (RFC 4380): what they lead to cannot be read from them.
  ['64:ff9b:1::', 48],
  ['2001::', 32],
)

/** Returns the class of an IP address, by the IPv4 address that an IPv6 one stands for where it does; undefined for what is not an address. */
export function classifyAddress(address: string): AddressClass | undefined {
  if (isIP(address) === 0) return undefined
  const plain = address.replace(/%.*$/, '')
  const meant = isIP(plain) === 6 ? (embeddedIpv4(plain) ?? plain) : plain
  if (isListed(FORBIDDEN, meant)) return 'forbidden'
  if (isListed(LOOPBACK, meant)) return 'loopback'
  return isListed(PRIVATE, meant) ? 'private' : 'public'
}

/**
 * Allows these networks (`10.0.0.0/8`, `2001:db8::/32`, or one address), and every one when there is none; never forbidden addresses.
 * @throws {HoldfastError} USAGE for what is no network.
 */
export function createAddressPolicy(networks: readonly string[]): AddressPolicy {
  const allowed = new BlockList()
  for (const network of networks) {
    const parsed = parseNetwork(network)
    if (parsed === undefined) {
      throw new HoldfastError('USAGE', `cannot allow network "${network}": it is neither an address nor a network in CIDR notation`, {
        hints: ['--registry-network 10.0.0.0/8'],
      })
    }
    const {address, family, bits} = parsed
    allowed.addSubnet(address, bits, familyName(family))
  }
  return (address) => {
    const kind = classifyAddress(address)
    if (kind === undefined || kind === 'forbidden') return false
    return networks.length === 0 || isListed(allowed, address)
  }
}

export interface Network {
  readonly address: string
  readonly family: 4 | 6
  /** Bits of the address that all of the network have in common: all of them for one address. */
  readonly bits: number
}

/** Returns a network (`10.0.0.0/8`, `2001:db8::/32`, or one address); undefined for what is none. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...rest] = text.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const bits = prefix === undefined ? most : /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if ((family !== 4 && family !== 6) || rest.length > 0 || !(bits <= most)) return undefined
  return {address, family, bits}
}

function listOf(...networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  // Not by `isIP`, whose pattern for IPv6 takes 10 ms when it is first used: these lists are made in every run.
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, network.includes(':') ? 'ipv6' : 'ipv4')
  return list
}

function isListed(list: BlockList, address: string): boolean {
  // A BlockList compares `::ffff:a.b.c.d` with its IPv4 rules by itself.
  return list.check(address, familyName(isIP(address)))
}

function familyName(family: number): 'ipv4' | 'ipv6' {
  return family === 4 ? 'ipv4' : 'ipv6'
}

/** The IPv4 address in a mapped, translated (RFC 2765), compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056) address. */
function embeddedIpv4(address: string): string | undefined {
  const groups = groupsOf(address)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups
  if (a === 0x2002) return dotted(b, c)
  if (a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0) return dotted(g, h)
  if (a !== 0 || b !== 0 || c !== 0 || d !== 0) return undefined
  const isMapped = (e === 0 && f === 0xffff) || (e === 0xffff && f === 0)
  // `::` and `::1` are addresses of their own.
  const isCompatible = e === 0 && f === 0 && (g !== 0 || h > 1)
  return isMapped || isCompatible ? dotted(g, h) : undefined
}

/** The eight groups; `URL` writes every spelling as hexadecimal groups with at most one gap. */
function groupsOf(address: string): readonly number[] {
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [head = '', tail] = text.split('::')
  const numbers = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [numbers(head), numbers(tail ?? '')]
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
