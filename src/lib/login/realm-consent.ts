/** The token endpoint that a login shows its secret to: one that may have it by `decideRealmTrust`, or that the user trusts when asked. */
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {decideRealmTrust} from '../content/remote/realm-trust.ts'
import {parseRealm, untrustedRealm} from '../content/remote/trust.ts'
import type {ConfirmRealm} from '../registries/examine.ts'

export interface RealmConsent {
  readonly realm: URL
  /** The user has just said yes to that host, which the endpoint does not trust yet. */
  readonly newlyTrusted?: string
}

/**
 * Decides where the secret goes, before anything is sent there.
 * @param confirm absent where nobody can be asked.
 * @throws {HoldfastError} UNTRUSTED_HOST when the realm may not have it, and the user does not say otherwise.
 */
export async function agreeOnRealm(
  text: string | undefined,
  base: URL,
  endpoint: RegistryEndpoint,
  confirm: ConfirmRealm | undefined,
): Promise<RealmConsent> {
  const realm = parseRealm(text, base, endpoint)
  const trust = decideRealmTrust(realm, base, endpoint)
  if (trust.kind === 'allowed') return {realm}
  const {reason, commands} = trust
  const {registry} = endpoint
  if (commands.length > 0 && (await confirm?.({registry, host: realm.host, reason})) === true) return {realm, newlyTrusted: realm.host}
  throw untrustedRealm(realm, endpoint, trust)
}

/** The endpoint with one more host that the user trusts. */
export function trusting(endpoint: RegistryEndpoint, host: string): RegistryEndpoint {
  return {...endpoint, trustedHosts: [...(endpoint.trustedHosts ?? []), host]}
}
