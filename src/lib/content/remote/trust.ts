/**
 * Where a registry may send us: token realm, blob storage, upload location, next page. A declared registry may name the hosts pinned for it; one that is not
 * declared may not name an address inside our own network (CVE-2026-12566, CVE-2019-10214; go-containerregistry's realm rule).
 */
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from '../../core/errors.ts'
import {redactUrl} from '../../core/redaction.ts'
import type {RegistryEndpoint} from './endpoint.ts'

/** Loopback, private, link-local (cloud metadata), carrier-grade and unspecified addresses. */
const INTERNAL = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  INTERNAL.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  INTERNAL.addSubnet(network, prefix, 'ipv6')

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Tells whether a host name (as in `URL.hostname`) is this machine itself. */
export function isLoopbackHost(hostname: string): boolean {
  const name = bare(hostname)
  return isLocalName(name) || listed(LOOPBACK, name)
}

/** What the registry wants us to ask; used in the error. */
export type Referral = 'token realm' | 'redirect' | 'upload location' | 'next page'

/**
 * Checks a URL that came from the registry at `base`.
 * @throws {HoldfastError} UNTRUSTED_HOST when it leaves https, or its host is neither the registry's own, nor pinned, nor (undeclared, public) acceptable.
 */
export function assertTrusted(url: URL, base: URL, endpoint: RegistryEndpoint, referral: Referral): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') refuse(url, endpoint, referral, 'it is not an http or https URL')
  if (base.protocol === 'https:' && url.protocol !== 'https:') refuse(url, endpoint, referral, 'it would leave https for plain http')
  if (url.host === base.host || url.host === endpoint.registry) return
  if (endpoint.pinnedHosts?.some((host) => matchesHost(url, host))) return
  if (referral === 'next page') refuse(url, endpoint, referral, 'pages must come from the registry itself')
  if (endpoint.pinnedHosts !== undefined) refuse(url, endpoint, referral, 'that host is not pinned for the registry', true)
  if (referral === 'upload location') refuse(url, endpoint, referral, 'uploads must go to the registry itself', true)
  if (url.hostname === base.hostname || (isLoopbackHost(url.hostname) && isLoopbackHost(base.hostname))) return
  const name = bare(url.hostname)
  if (isLocalName(name) || listed(INTERNAL, name)) refuse(url, endpoint, referral, 'it is an address inside a private network', true)
}

/**
 * The token endpoint that a challenge of the registry at `base` names, without user info and fragment.
 * @throws {HoldfastError} UNTRUSTED_HOST when the realm is not a URL, or one that `assertTrusted` refuses.
 */
export function trustedRealm(text: string | undefined, base: URL, endpoint: RegistryEndpoint): URL {
  const {registry} = endpoint
  if (text === undefined || !URL.canParse(text, base.href)) {
    throw new HoldfastError('UNTRUSTED_HOST', `cannot log in to "${registry}": its token realm is not a URL`, {details: {registry}})
  }
  const realm = new URL(text, base)
  assertTrusted(realm, base, endpoint, 'token realm')
  realm.username = ''
  realm.password = ''
  realm.hash = ''
  return realm
}

/** Tells whether two URLs have the same scheme, host and port. */
export function isSameOrigin(a: URL, b: URL): boolean {
  return a.origin === b.origin
}

function matchesHost(url: URL, pinned: string): boolean {
  const host = pinned.toLowerCase()
  return host === url.host || host === `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function listed(list: BlockList, address: string): boolean {
  const family = isIP(address)
  // A BlockList compares `::ffff:a.b.c.d` with its IPv4 rules by itself.
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function refuse(url: URL, endpoint: RegistryEndpoint, referral: Referral, reason: string, pinnable = false): never {
  throw new HoldfastError('UNTRUSTED_HOST', `cannot follow ${referral} "${redactUrl(url)}" of registry "${endpoint.registry}": ${reason}`, {
    hints: pinnable ? [trustHint(url, endpoint)] : [],
    details: {registry: endpoint.registry, host: url.host},
  })
}

function trustHint(url: URL, {registry, pinnedHosts}: RegistryEndpoint): string {
  const verb = pinnedHosts === undefined ? `add NAME ${registry}` : 'update NAME'
  return `holdfast registry ${verb} --trust-host ${url.host}  # if ${url.host} belongs to ${registry}`
}
