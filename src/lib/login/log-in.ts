/** Logging in: what is typed is exchanged for the least that is worth keeping, proven, and only then kept. */
import {readJwtExpiry} from '../auth/jwt-claims.ts'
import {isTokenText} from '../auth/token-response.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import type {Secret} from '../core/secret.ts'
import type {Logins} from '../credentials/logins.ts'
import type {HttpClient} from '../http/client.ts'
import type {RepositoryName} from '../oci/reference.ts'
import type {LoginRecord} from '../records/store.ts'
import {probeRegistry, type RegistryProbe} from '../registries/probe.ts'
import type {RegistrySubject} from '../registries/subject.ts'
import {type LoginAttempt, loginFailure} from './attempt.ts'
import {type ProvenSecret, proveBasic, proveByTokenEndpoint, proveIdentityToken} from './prove.ts'
import {createTokenEndpoint, type LoginNetwork} from './token-endpoint.ts'

export interface LoginRequest {
  readonly endpoint: RegistryEndpoint
  readonly subject: RegistrySubject
  /** The repositories that the login is for; the whole registry when absent. */
  readonly pathPrefix?: RepositoryName | undefined
  /** The user name, `%as_service%` expanded. */
  readonly account: string
  readonly secret: {readonly kind: 'password' | 'identity-token'; readonly value: Secret}
  /** Refuses where the registry gives no identity token, instead of keeping the password. */
  readonly tokenOnly: boolean
}

export interface LoginDependencies extends LoginNetwork {
  readonly logins: Pick<Logins, 'save'>
  readonly now: () => Date
}

export interface LoginOutcome {
  /** What was kept; undefined when the registry asks for no credentials. */
  readonly login: LoginRecord | undefined
  readonly scheme: 'none' | 'basic' | 'bearer'
  /** Why a password is kept and not a token: a sentence without its full stop. */
  readonly reason?: string
}

/**
 * Logs in: finds how the registry wants to be asked, exchanges a password for an identity token where it gives one, proves that what is to be kept opens the
 * registry, and keeps it. Whatever fails, nothing is kept; secrets go to the registry and to its trusted realm only, and are in no error.
 * @throws {HoldfastError} UNAUTHENTICATED for a wrong password or token; ACCOUNT_LOCKED; RATE_LIMITED; NO_IDENTITY_TOKEN when only a token may be kept;
 * UNSUPPORTED when the endpoint gives no token at all; UNTRUSTED_HOST; REGISTRY_UNAVAILABLE, NETWORK, TIMEOUT, TLS, PLAIN_HTTP; USAGE for an account or a secret
 * that cannot be sent; KEYCHAIN_* from keeping it.
 */
export async function logIn(request: LoginRequest, dependencies: LoginDependencies): Promise<LoginOutcome> {
  const {endpoint, subject} = request
  const attempt = attemptOf(request)
  const http = dependencies.openHttp(endpoint)
  try {
    const probe = await probeRegistry(endpoint, subject, http, dependencies)
    const scheme = probe.authScheme
    if (scheme === 'none') return {login: undefined, scheme}
    const {kind, secret, reason} = await prove(request, attempt, http, probe, dependencies)
    const expiresAt = kind === 'identity-token' ? readJwtExpiry(secret.reveal()) : undefined
    const login: LoginRecord = {
      registry: endpoint.registry,
      ...(request.pathPrefix === undefined ? {} : {pathPrefix: request.pathPrefix}),
      account: request.account,
      kind,
      loggedInAt: dependencies.now().toISOString(),
      ...(expiresAt === undefined ? {} : {expiresAt: expiresAt.toISOString()}),
    }
    await dependencies.logins.save(login, secret)
    return {login, scheme, ...(reason === undefined ? {} : {reason})}
  } finally {
    http.close()
  }
}

function prove(
  {endpoint, secret, tokenOnly}: LoginRequest,
  attempt: LoginAttempt,
  http: HttpClient,
  probe: RegistryProbe,
  network: LoginNetwork,
): Promise<ProvenSecret> {
  const door = {http, base: probe.base, signal: network.signal}
  const value = secret.value.reveal()
  if (probe.authScheme === 'basic') return proveBasic(door, attempt, value, tokenOnly)
  const tokens = createTokenEndpoint(endpoint, probe, network)
  return secret.kind === 'identity-token'
    ? proveIdentityToken(door, attempt, tokens, value)
    : proveByTokenEndpoint(door, attempt, tokens, value, tokenOnly)
}

/** Checks what would be sent; an empty password would pass for nobody, whom many endpoints give a token as well. */
function attemptOf({endpoint: {registry}, account, secret: {kind, value}}: LoginRequest): LoginAttempt {
  const text = value.reveal()
  // RFC 7617 §2: the first colon ends the user name.
  if (!/^[^:\p{Cc}]+$/u.test(account)) throw loginFailure({registry, account}, 'USAGE', 'a user name has no colon and no control character')
  if (text === '') throw loginFailure({registry, account}, 'USAGE', `the ${kind === 'password' ? 'password' : 'identity token'} is empty`)
  if (kind === 'identity-token' && !isTokenText(text)) {
    throw loginFailure({registry, account}, 'USAGE', 'an identity token is printable ASCII without spaces')
  }
  return {registry, account, secretKind: kind}
}
