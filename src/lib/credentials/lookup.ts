/**
 * The credentials port: who may know what proves our identity at a registry, and in which order they are asked.
 *
 * Invariants, for every source:
 * - it answers for the registry asked about and for no other; undefined means that it has nothing to say;
 * - asking changes nothing, and what it answers never appears in an error, a log, a file name or an argument vector. An identity token that is exchanged for a new
 *   one while it is used goes back to its source through `keepRotated`, where the source can keep it.
 *
 * Implementers: `given.ts` (what was given for this run), `environment.ts`, `logins.ts` (the keychain) and `docker-config/` (the files of docker and podman).
 */
import type {CredentialLookup} from '../content/remote/endpoint.ts'

/** A place where credentials are found. */
export interface CredentialSource {
  readonly find: CredentialLookup
}

/** The places that are asked; an absent one is left out. */
export interface CredentialSources {
  readonly given?: CredentialSource | undefined
  readonly environment?: CredentialSource | undefined
  readonly logins?: CredentialSource | undefined
  readonly dockerConfig?: CredentialSource | undefined
}

/**
 * Makes the lookup that asks, in this order, and stops at the first answer:
 * 1. what was given for this run (a flag's user name with a password, or a token, from standard input);
 * 2. the variables `HOLDFAST_AUTH_<HOST>_…`;
 * 3. the logins whose secrets are in the keychain;
 * 4. the configuration files of docker and podman.
 *
 * It rejects as soon as a source does: a broken file or a locked keychain must not silently turn into an anonymous pull.
 */
export function createCredentialLookup({given, environment, logins, dockerConfig}: CredentialSources): CredentialLookup {
  const inOrder = [given, environment, logins, dockerConfig].filter((source) => source !== undefined)
  return async (registry, repository) => {
    for (const source of inOrder) {
      const credential = await source.find(registry, repository)
      if (credential !== undefined) return credential
    }
    return undefined
  }
}
