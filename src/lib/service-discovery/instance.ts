/** An instance of a registry, as whoever discovers services finds it: an address and a port. */
import {isIP} from 'node:net'
import {HoldfastError} from '../core/errors.ts'

export interface RegistryInstance {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** Where instances are found. Implementers: Consul, DNS, a list. */
export interface InstanceSource {
  /** For messages. */
  readonly description: string
  /** Commands that show why there is none. */
  readonly emptyHints: readonly string[]
  /** Those that are there now, best first where the source says so; each once. */
  find(signal?: AbortSignal): Promise<readonly RegistryInstance[]>
}

/** As Cloud Foundry's private registries of 2015 listened. */
export const DEFAULT_PORT = 8080
const MAX_PORT = 65_535
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?$/

/** `10.244.2.6:8080`, `[2001:db8::1]:8080`. */
export function formatInstance({host, port}: RegistryInstance): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

/**
 * Reads `host:port`, `address:port` or `[address]:port`, each also without its port.
 * @throws {HoldfastError} USAGE
 */
export function parseInstance(text: string, defaultPort = DEFAULT_PORT): RegistryInstance {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  const port = portText === undefined ? defaultPort : Number(portText)
  if (host !== undefined && port > 0 && port <= MAX_PORT && (bracketed === undefined ? isHost(host) : isIP(host) === 6)) return {host, port}
  throw new HoldfastError('USAGE', `cannot use "${text.slice(0, 300)}" as an instance: it is not HOST[:PORT]`, {
    hints: ['10.244.2.6:8080', '[2001:db8::1]:8080'],
  })
}

export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (text.length <= 253 && HOST_NAME.test(text))
}

/** Those that were named, in their order. @throws {HoldfastError} USAGE for what is none. */
export function createListedSource(texts: readonly string[], defaultPort?: number): InstanceSource {
  const instances = unique(texts.map((text) => parseInstance(text, defaultPort)))
  return {description: 'the list of addresses', emptyHints: ['--docker-registry-address 10.244.2.6:8080'], find: async () => instances}
}

/** Each once, in the order in which they come. */
export function unique(instances: readonly RegistryInstance[]): readonly RegistryInstance[] {
  return [...new Map(instances.map((instance) => [formatInstance(instance), instance])).values()]
}
