/** What is known of one registry before the first request: how to reach it, whom it may send us to, and what it has proven. */
import type {TlsSettings} from '../../http/client.ts'
import type {RegistryHost, RepositoryName} from '../../oci/reference.ts'

/** What proves who asks. Values are secrets: never logged, never in an error. */
export type RegistryCredential =
  | {readonly kind: 'basic'; readonly username: string; readonly password: string}
  | IdentityTokenCredential
  | {readonly kind: 'registry-token'; readonly token: string}

/** The refresh token of a login (distribution's OAuth 2 specification). */
export interface IdentityTokenCredential {
  readonly kind: 'identity-token'
  readonly token: string
  /** Keeps the token that the endpoint gave instead of this one, which may be worth nothing any more (RFC 6749 §6). Called once for each new token, in their order. */
  readonly keepRotated?: (token: string) => Promise<void>
}

/**
 * Finds the credential for a registry and, where several accounts are kept, for a path in it. Asked once for each repository, and once more when a refresh token
 * that it answered with is refused: somebody else may have exchanged that for another one meanwhile.
 */
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
  /** Hosts (`host` or `host:port`) that the user trusts with the credentials and blobs of this registry, declared or not. */
  readonly trustedHosts?: readonly string[]
  readonly capabilities: RegistryCapabilities
}
