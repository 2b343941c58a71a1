/** The token endpoint that credentials are shown to: one that may have them by `decideRealmTrust`, or that the user trusts when asked. */
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {decideRealmTrust} from '../content/remote/realm-trust.ts'
import {parseRealm, untrustedRealm} from '../content/remote/trust.ts'
import type {RegistryHost} from '../oci/reference.ts'

/**
 * Asks the user whether a host (`host` or `host:port`) may have the credentials of a registry. `reason` says why it is asked: a fact, to stand after a colon.
 */
export type ConfirmRealm = (question: {readonly registry: RegistryHost; readonly host: string; readonly reason: string}) => Promise<boolean>

export interface RealmConsent {
  readonly realm: URL
  /** The user has just said yes to that host, which the endpoint does not trust yet. */
  readonly newlyTrusted?: string
}

export interface RealmConsentOptions {
  /** Absent where no user can be asked. */
  readonly confirm: ConfirmRealm | undefined
  /** The command that trusts the host, in place of the usual ones. */
  readonly commandFor?: (host: string) => string
}

/**
 * Decides where credentials go, before anything is sent there.
 * @throws {HoldfastError} UNTRUSTED_HOST when the realm may not have them, and the user does not say otherwise.
 */
export async function agreeOnRealm(
  text: string | undefined,
  base: URL,
  endpoint: RegistryEndpoint,
  {confirm, commandFor}: RealmConsentOptions,
): Promise<RealmConsent> {
  const realm = parseRealm(text, base, endpoint)
  const trust = decideRealmTrust(realm, base, endpoint)
  if (trust.kind === 'allowed') return {realm}
  const {reason, commands} = trust
  const {registry} = endpoint
  const {host} = realm
  if (commands.length > 0 && (await confirm?.({registry, host, reason})) === true) return {realm, newlyTrusted: host}
  throw untrustedRealm(
    realm,
    endpoint,
    commandFor === undefined || commands.length === 0 ? trust : {...trust, commands: [commandFor(host)]},
  )
}

/** The endpoint with one more host that the user trusts. */
export function trusting(endpoint: RegistryEndpoint, host: string): RegistryEndpoint {
  return {...endpoint, trustedHosts: [...(endpoint.trustedHosts ?? []), host]}
}
