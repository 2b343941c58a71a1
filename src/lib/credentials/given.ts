/** Credentials given for one run: a user name with a password, an identity token, or a registry token. Nothing is stored. */
import type {RegistryCredential} from '../content/remote/endpoint.ts'
import type {RegistryHost} from '../oci/reference.ts'
import type {CredentialSource} from './lookup.ts'

/** Makes a source of credentials that were given for this run; each is answered for its own registry only, whatever the repository. */
export function createGivenCredentials(given: ReadonlyMap<RegistryHost, RegistryCredential>): CredentialSource {
  return {find: async (registry) => given.get(registry)}
}
