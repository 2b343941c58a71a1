/** What is known of one registry before the first request: how to reach it, whom it may send us to, and what it has proven. */
import type {TlsSettings} from '../../http/client.ts'
import type {RegistryHost, RepositoryName} from '../../oci/reference.ts'

/** What proves who asks. Values are secrets: never logged, never in an error. */
export type RegistryCredential =
  | {readonly kind: 'basic'; readonly username: string; readonly password: string}
  | {readonly kind: 'identity-token'; readonly token: string}
  | {readonly kind: 'registry-token'; readonly token: string}

/** Finds the credential for a registry and, where several accounts are kept, for a path in it. Asked once per scope, never per request. */
export type CredentialLookup = (registry: RegistryHost, repository: RepositoryName | undefined) => Promise<RegistryCredential | undefined>

/** `never`: TLS only. `always`: declared as plain HTTP. `fallback`: TLS first, plain HTTP when the host answers no TLS; loopback hosts only. */
export type PlainHttpPolicy = 'never' | 'always' | 'fallback'

/** What a registry was seen to do; absent means not known. */
export interface RegistryCapabilities {
  /** It refused an upload under a wrong digest, so we need not hash what it stores. */
  readonly refusesWrongDigest?: boolean
  /** `POST ?mount=D&from=<the same repository>` answers 201 for a blob that is there, which saves a HEAD. */
  readonly mountsFromItself?: boolean
  readonly hasReferrersApi?: boolean
}

export interface RegistryEndpoint {
  /** The registry's name in references. */
  readonly registry: RegistryHost
  /** Where its API is, when that is not `registry` itself (docker.io). */
  readonly apiHost?: string
  readonly plainHttp: PlainHttpPolicy
  readonly tls: TlsSettings
  /** Hosts (`host` or `host:port`) pinned at `registry add`: token realm and blob storage. Undefined for a registry that is not declared. */
  readonly pinnedHosts?: readonly string[]
  readonly capabilities: RegistryCapabilities
}
