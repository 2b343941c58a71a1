/**
 * Where a registry may send us: token realm, blob storage, upload location. A declared registry may name the hosts pinned for it. What names resolve to
 * is judged when they are connected to, by `referral-guard.ts` (CVE-2026-12566, CVE-2019-10214; go-containerregistry's realm rule).
 */
import {HoldfastError} from '../../core/errors.ts'
import {redactUrl} from '../../core/redaction.ts'
import type {RegistryEndpoint} from './endpoint.ts'
import {decideRealmTrust, FORBIDDEN_ADDRESS, hostClass, isTrustedHost, isWeb, type RealmTrust, trustCommands} from './realm-trust.ts'

/** Tells whether a host name (as in `URL.hostname`) is this machine itself. */
export function isLoopbackHost(hostname: string): boolean {
  return hostClass(new URL(`https://${hostname}`)) === 'loopback'
}

/** What the registry wants us to ask; used in the error. */
export type Referral = 'redirect' | 'upload location'

/**
 * Checks a URL that came from the registry at `base` and that no credential is sent to.
 * @throws {HoldfastError} UNTRUSTED_HOST when it leaves https, or its host is neither the registry's own, nor pinned or trusted, nor (undeclared, public) acceptable.
 */
export function assertTrusted(url: URL, base: URL, endpoint: RegistryEndpoint, referral: Referral): void {
  const refuse = (reason: string, isTrustable = false): never => {
    const commands = isTrustable ? trustCommands(url.host, endpoint) : []
    throw untrusted(`cannot follow ${referral} "${redactUrl(url)}" of registry "${endpoint.registry}": ${reason}`, url, endpoint, commands)
  }
  if (!isWeb(url)) refuse('it is not an http or https URL')
  if (base.protocol === 'https:' && url.protocol !== 'https:') refuse('it would leave https for plain http')
  if (url.host === base.host || url.host === endpoint.registry) return
  const kind = hostClass(url)
  if (kind === 'forbidden') refuse(FORBIDDEN_ADDRESS)
  if (isTrustedHost(url, endpoint)) return
  if (endpoint.pinnedHosts !== undefined) refuse('that host is not pinned for the registry', true)
  if (referral === 'upload location') refuse('uploads must go to the registry itself', true)
  if (kind === 'loopback' && hostClass(base) !== 'loopback') refuse('it is this machine, which is not where the registry is')
}

/**
 * The token endpoint that a challenge of the registry at `base` names, without user info and fragment.
 * @param carries whether a request to it is to prove who asks: a password, an identity token, or what is exchanged for one.
 * @throws {HoldfastError} UNTRUSTED_HOST when the realm is not a URL, or one that `decideRealmTrust` does not allow for that.
 */
export function trustedRealm(text: string | undefined, base: URL, endpoint: RegistryEndpoint, carries: 'credentials' | 'nothing'): URL {
  const realm = parseRealm(text, base, endpoint)
  const trust = decideRealmTrust(realm, base, endpoint)
  if (trust.kind === 'allowed' || (trust.kind === 'anonymous' && carries === 'nothing')) return realm
  throw untrustedRealm(realm, endpoint, trust)
}

/** @throws {HoldfastError} UNTRUSTED_HOST when it is not a URL. */
export function parseRealm(text: string | undefined, base: URL, {registry}: RegistryEndpoint): URL {
  if (text === undefined || !URL.canParse(text, base.href)) {
    throw new HoldfastError('UNTRUSTED_HOST', `cannot log in to "${registry}": its token realm is not a URL`, {details: {registry}})
  }
  const realm = new URL(text, base)
  realm.username = ''
  realm.password = ''
  realm.hash = ''
  return realm
}

/** The error for a realm that may not have credentials, or may not be asked at all. */
export function untrustedRealm(
  realm: URL,
  endpoint: RegistryEndpoint,
  {reason, commands}: Exclude<RealmTrust, {kind: 'allowed'}>,
): HoldfastError {
  return untrusted(`cannot log in to "${endpoint.registry}" at token realm "${redactUrl(realm)}": ${reason}`, realm, endpoint, commands)
}

/** Tells whether two URLs have the same scheme, host and port. */
export function isSameOrigin(a: URL, b: URL): boolean {
  return a.origin === b.origin
}

function untrusted(message: string, {host}: URL, {registry}: RegistryEndpoint, hints: readonly string[]): HoldfastError {
  return new HoldfastError('UNTRUSTED_HOST', message, {hints, details: {registry, host}})
}
