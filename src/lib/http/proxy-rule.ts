/** Which requests go through a proxy, by the variables that curl and docker know. */
import {BlockList, isIP} from 'node:net'
import {HoldfastError} from '../core/errors.ts'

/** The variables, by either case; lower case wins. */
export interface ProxyVariables {
  readonly HTTP_PROXY?: string | undefined
  readonly http_proxy?: string | undefined
  readonly HTTPS_PROXY?: string | undefined
  readonly https_proxy?: string | undefined
  readonly NO_PROXY?: string | undefined
  readonly no_proxy?: string | undefined
}

/** In NO_PROXY: loopback hosts are proxied as well, as browsers have it. */
const PROXY_LOOPBACK = '<-loopback>'
const DEFAULT_PORTS: Readonly<Record<string, string>> = {'http:': '80', 'https:': '443'}

/**
 * Makes the rule: the proxy for a URL, or undefined for none. NO_PROXY has `*`, hosts (which stand for their subdomains as well), `.suffix`, `*.suffix`, each with
 * an optional `:port`, addresses and CIDR blocks. IPv4 addresses in IPv6 form count as IPv4 (CVE-2026-44492). Loopback is never proxied unless NO_PROXY has
 * `<-loopback>`.
 * @throws {HoldfastError} CONFIGURATION when a proxy is not an `http://` or `https://` URL; the message does not show its credentials.
 */
export function createProxyRule(variables: ProxyVariables): (url: URL) => URL | undefined {
  const forHttp = parseProxy('HTTP_PROXY', variables.http_proxy ?? variables.HTTP_PROXY)
  const forHttps = parseProxy('HTTPS_PROXY', variables.https_proxy ?? variables.HTTPS_PROXY)
  if (forHttp === undefined && forHttps === undefined) return () => undefined
  const isExempt = parseExemptions(variables.no_proxy ?? variables.NO_PROXY ?? '')
  return (url) => {
    const proxy = url.protocol === 'https:' ? forHttps : forHttp
    return proxy === undefined || isExempt(url) ? undefined : proxy
  }
}

function parseProxy(name: string, value: string | undefined): URL | undefined {
  if (value === undefined || value.trim() === '') return undefined
  const text = value.trim()
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new HoldfastError('CONFIGURATION', `cannot use "${name}": its value is not an http:// or https:// URL`, {
    hints: [`export ${name}=http://proxy.example.com:3128`],
  })
}

type Exemption = (host: string, port: string) => boolean

function parseExemptions(list: string): (url: URL) => boolean {
  const entries = list
    .split(/[\s,]+/)
    .map((entry) => entry.toLowerCase())
    .filter((entry) => entry !== '')
  const proxiesLoopback = entries.includes(PROXY_LOOPBACK)
  const rules = entries.filter((entry) => entry !== PROXY_LOOPBACK).map(parseExemption)
  return (url) => {
    const host = canonicalHost(url.hostname)
    const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? '') : url.port
    return (!proxiesLoopback && isLoopback(host)) || rules.some((rule) => rule(host, port))
  }
}

function parseExemption(entry: string): Exemption {
  if (entry === '*') return () => true
  const block = parseBlock(entry)
  if (block !== undefined) return (host) => isIP(host) !== 0 && block.check(host, family(host))
  const {host: written, port: onlyPort} = splitPort(entry)
  const wanted = canonicalHost(written.replace(/^\*?\./, ''))
  return (host, port) =>
    (onlyPort === undefined || onlyPort === port) && (host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`)))
}

function splitPort(entry: string): {readonly host: string; readonly port: string | undefined} {
  if (isIP(entry) === 6) return {host: entry, port: undefined}
  const match = /^(.+):([0-9]{1,5})$/.exec(entry)
  return match === null ? {host: entry, port: undefined} : {host: match[1] ?? entry, port: match[2]}
}

function parseBlock(entry: string): BlockList | undefined {
  const [address = '', bits = '', ...rest] = entry.split('/')
  const mapped = canonicalHost(address)
  const kind = isIP(mapped)
  if (kind === 0 || rest.length > 0 || !/^[0-9]{1,3}$/.test(bits)) return undefined
  const prefix = kind === 4 && isIP(address) === 6 ? Number(bits) - IPV4_MAPPED_PREFIX_BITS : Number(bits)
  if (prefix < 0 || prefix > (kind === 4 ? 32 : 128)) return undefined
  const block = new BlockList()
  block.addSubnet(mapped, prefix, family(mapped))
  return block
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
const IPV4_MAPPED_PREFIX_BITS = 96

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

/** Without brackets and the root's dot, IPv6 compressed, and IPv4 in IPv6 form as plain IPv4. */
function canonicalHost(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(bare) !== 6) return bare
  const compressed = URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1) ?? bare
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed)
  if (mapped === null) return compressed
  const high = Number.parseInt(mapped[1] ?? '0', 16)
  const low = Number.parseInt(mapped[2] ?? '0', 16)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
