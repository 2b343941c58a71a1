/**
 * The credentials port: who may know what proves our identity at a registry, and in which order they are asked.
 *
 * Invariants, for every source:
 * - it answers for the registry asked about and for no other; undefined means that it has nothing to say;
 * - it only reads, and what it answers never appears in an error, a log, a file name or an argument vector.
 *
 * Implementers: `given.ts` (what was given for this run) and `docker-config/` (the files of docker and podman).
 */
import type {CredentialLookup} from '../content/remote/endpoint.ts'

/** A place where credentials are found. */
export interface CredentialSource {
  readonly find: CredentialLookup
}

/** The places that are asked; an absent one is left out. */
export interface CredentialSources {
  readonly given?: CredentialSource
  readonly dockerConfig?: CredentialSource
}

/**
 * Makes the lookup that asks, in this order, and stops at the first answer:
 * 1. what was given for this run (a flag's user name with a password from standard input);
 * 2. the configuration files of docker and podman.
 *
 * It rejects as soon as a source does: a broken file must not silently turn into an anonymous pull.
 */
export function createCredentialLookup(sources: CredentialSources): CredentialLookup {
  const inOrder = [sources.given, sources.dockerConfig].filter((source) => source !== undefined)
  return async (registry, repository) => {
    for (const source of inOrder) {
      const credential = await source.find(registry, repository)
      if (credential !== undefined) return credential
    }
    return undefined
  }
}
