/** Where registries are, and whether they have proven it: a user with the right to manage may write down any URL. */
import {EMBEDDED_REGISTRY, type ManagedRegistry} from './objects.ts'

/** The same text for all spellings of one place: a host without a trailing dot, and its port unless that is one of the web's. */
export function placeOf(hostOrUrl: string): string | undefined {
  const url = URL.parse(hostOrUrl.includes('://') ? hostOrUrl : `http://${hostOrUrl}`)
  if (url === null || url.hostname === '') return undefined
  const {hostname, port} = url
  const host = hostname.replace(/\.$/, '')
  return port === '' || port === '80' || port === '443' ? host : `${host}:${port}`
}

/** Returns whether what is at the URL of a registry trusts this collector, so that its events and its repositories count. The registry of `serve` is its own. */
export function isProven({name, provenAt}: Pick<ManagedRegistry, 'name' | 'provenAt'>): boolean {
  return name === EMBEDDED_REGISTRY || provenAt !== undefined
}

/** Returns the registry that clients mean by a host. The registry of `serve` is behind the same name as others where nginx puts them there, and comes last. */
export function registryAt(registries: readonly ManagedRegistry[], host: string): ManagedRegistry | undefined {
  const place = placeOf(host)
  if (place === undefined) return undefined
  const there = registries.filter((registry) => isProven(registry) && placeOf(registry.url) === place)
  return there.find(({name}) => name !== EMBEDDED_REGISTRY) ?? there[0]
}
