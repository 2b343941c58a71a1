/** Tokens of the collector itself, with which it asks registries. */
import type {Scope} from '../auth/scope.ts'
import {createRegistryTokens} from '../tokens/registry-token.ts'
import {OWN_ACTOR} from './index-feed.ts'
import type {KeyRings} from './key-ring.ts'
import type {ManagedRegistry, TokenHeader} from './objects.ts'

/** A token of the collector itself outlasts the reading of one repository. */
const OWN_TOKEN_LIFE_SECONDS = 300

export interface OwnTokenOptions {
  readonly keys: KeyRings
  readonly issuer: string
  readonly now: () => Date
}

/** Signs a token that opens a registry for these scopes, in its own form or another one. */
export type MintToken = (scopes: readonly Scope[], header?: TokenHeader) => Promise<string>

export function createMint(registry: ManagedRegistry, {keys, issuer, now}: OwnTokenOptions): MintToken {
  return async (scopes, header = registry.tokenHeader) => {
    const tokens = createRegistryTokens(await keys.current(), issuer)
    const claims = {subject: OWN_ACTOR, audience: registry.service, access: scopes, lifeSeconds: OWN_TOKEN_LIFE_SECONDS}
    return tokens.issue(claims, header, now()).reveal()
  }
}
