/** Providers at which people log in (OpenID Connect Core 1.0): what a verified ID token says of a person. */
import {HoldfastError} from '../../core/errors.ts'
import type {DirectoryUser} from '../directory.ts'
import type {Mismatch} from './mismatch.ts'
import {hasSafeIssuer} from './trust-rule.ts'

export interface IdentityProvider {
  /** The source of its users. */
  readonly name: string
  /** As the token's `iss` has it. */
  readonly issuer: string
  /** Of a public client that may use the device authorization grant (RFC 8628). */
  readonly clientId: string
  readonly scopes: readonly string[]
  /** The claims that hold the user's name, the e-mail address, and the names of groups. */
  readonly nameClaim: string
  readonly emailClaim: string
  readonly groupsClaim: string
}

/** A person as the provider knows him. */
export interface ForeignPerson extends DirectoryUser {
  /** The provider's own name for him, which is never given again (OpenID Connect Core §5.7); names are. */
  readonly subject: string
}

/** @throws {HoldfastError} CONFIGURATION when its keys would come over an open line. */
export function checkProvider(provider: IdentityProvider): IdentityProvider {
  if (hasSafeIssuer(provider.issuer)) return provider
  throw new HoldfastError('CONFIGURATION', `cannot use identity provider "${provider.name}": its issuer must be https`, {
    hints: [`issuer: https://${new URL(provider.issuer).host}`],
  })
}

/** Returns the person of the verified claims of an ID token, or the claim that names none, or another client. */
export function personOf(provider: IdentityProvider, claims: Readonly<Record<string, unknown>>): ForeignPerson | Mismatch {
  const claim = (name: string): unknown => (Object.hasOwn(claims, name) ? claims[name] : undefined)
  const [name, email, groups] = [provider.nameClaim, provider.emailClaim, provider.groupsClaim].map(claim)
  const {sub: subject, azp} = claims
  if (typeof name !== 'string') return {kind: 'mismatch', claim: provider.nameClaim, expected: 'a text', seen: name}
  if (typeof subject !== 'string' || subject === '') return {kind: 'mismatch', claim: 'sub', expected: 'a text', seen: subject}
  if (azp !== undefined && azp !== provider.clientId) return {kind: 'mismatch', claim: 'azp', expected: provider.clientId, seen: azp}
  return {
    name,
    subject,
    // A person may type any address at the provider: it counts when the provider says that it was verified (OpenID Connect Core §5.1).
    ...(typeof email === 'string' && claims.email_verified === true ? {email} : {}),
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
  }
}
