/**
 * Who gets a password: whether the token endpoint (realm) that a registry names may have the credentials for that registry. Every part that sends credentials to a realm
 * asks `decideRealmTrust`, and no other rule.
 */
import {classifyAddress} from '../../core/address-policy.ts'
import {DOCKER_HUB} from '../../oci/reference.ts'
import type {RegistryEndpoint} from './endpoint.ts'

/** Realms that are elsewhere and known to belong to their registry. */
const BUILT_IN_REALMS: Readonly<Record<string, string>> = {
  [DOCKER_HUB]: 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
  'registry.redhat.io': 'sso.redhat.com',
  'registry.digitalocean.com': 'api.digitalocean.com',
}

/**
 * `allowed`: credentials may go there. `anonymous`: only requests without credentials may. `untrusted`: nothing may.
 * `reason` is a fact, to stand after a colon; `commands` trust the realm, most helpful first, and are empty where nothing does.
 */
export type RealmTrust =
  | {readonly kind: 'allowed'}
  | {readonly kind: 'anonymous' | 'untrusted'; readonly reason: string; readonly commands: readonly string[]}

/** What is known of the registry that names the realm. */
export type TrustingEndpoint = Pick<RegistryEndpoint, 'registry' | 'apiHost' | 'pinnedHosts' | 'trustedHosts'>

/**
 * Decides whether `realm`, named by the registry whose API is at `base`, may have the credentials for that registry. They go
 * - to the host name of the registry itself, on any port, and never from https to http;
 * - to a built-in realm;
 * - to a host that is pinned or trusted for the registry.
 * Without credentials, any realm behind https that is not an address inside a network may be asked.
 */
export function decideRealmTrust(realm: URL, base: URL, endpoint: TrustingEndpoint): RealmTrust {
  const untrusted = (reason: string, isTrustable = false): RealmTrust => ({
    kind: 'untrusted',
    reason,
    commands: isTrustable ? trustCommands(realm.host, endpoint) : [],
  })
  if (!isWeb(realm)) return untrusted('it is not an http or https URL')
  if (base.protocol === 'https:' && realm.protocol !== 'https:') return untrusted('it would leave https for plain http')
  const kind = hostClass(realm)
  if (kind === 'forbidden') return untrusted(FORBIDDEN_ADDRESS)
  if (isOwnName(realm, base, endpoint) || isBuiltIn(realm, endpoint) || isTrustedHost(realm, endpoint)) return {kind: 'allowed'}
  if (kind === 'loopback' && hostClass(base) !== 'loopback') return untrusted('it is this machine, which is not where the registry is')
  const reason = 'that host is not trusted with the credentials of the registry'
  if (kind === 'loopback' || (kind === 'public' && realm.protocol === 'https:'))
    return {kind: 'anonymous', reason, commands: trustCommands(realm.host, endpoint)}
  return untrusted(kind === 'private' ? 'it is an address inside a private network' : reason, true)
}

/** Of literal addresses that are refused whatever is trusted. */
export const FORBIDDEN_ADDRESS = 'it is a link-local or metadata address'

/** A URL may have a host like `$(command)`, which a shell would run. */
const PLAIN_HOST = /^[a-z0-9._:[\]-]+$/

/** The commands that trust `host` (`host` or `host:port`) for a registry; each works when it is pasted. None for a host that is not a name or an address. */
export function trustCommands(host: string, {registry, pinnedHosts}: TrustingEndpoint): readonly string[] {
  if (!PLAIN_HOST.test(host)) return []
  const command =
    pinnedHosts === undefined
      ? `holdfast login ${registry} --trust-host ${host}`
      : `holdfast registry update ${registry} --trust-host ${host}`
  return [
    `${command}  # if ${host} belongs to ${registry}`,
    `export HOLDFAST_TRUST_HOST=${registry}=${host}  # the same, where nothing is kept`,
  ]
}

/** Returns whether the user has pinned or trusted the host of `url` for the registry. A host without a port means that of the scheme. */
export function isTrustedHost(url: URL, {pinnedHosts = [], trustedHosts = []}: TrustingEndpoint): boolean {
  const withPort = `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
  return [...pinnedHosts, ...trustedHosts].some((host) => host.toLowerCase() === url.host || host.toLowerCase() === withPort)
}

/** Returns whether `url` has the host name of the registry or of its API, on any port. */
export function isOwnName(url: URL, base: URL, {registry, apiHost = registry}: TrustingEndpoint): boolean {
  return [base.hostname, hostnameOf(registry), hostnameOf(apiHost)].includes(url.hostname)
}

/** The class of a literal address or of `localhost`; `public` for every other name, which is judged by what it resolves to when it is connected to. */
export function hostClass(url: URL): 'forbidden' | 'loopback' | 'private' | 'public' {
  const name = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return 'loopback'
  return classifyAddress(name) ?? 'public'
}

export function isWeb({protocol}: URL): boolean {
  return protocol === 'https:' || protocol === 'http:'
}

function isBuiltIn(realm: URL, {registry}: TrustingEndpoint): boolean {
  return Object.hasOwn(BUILT_IN_REALMS, registry) && realm.origin === `https://${BUILT_IN_REALMS[registry]}`
}

function hostnameOf(host: string): string {
  return new URL(`https://${host}`).hostname
}
