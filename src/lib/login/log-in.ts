/** Logging in: what is typed is exchanged for the least that is worth keeping, proven, and only then kept. */
import {readJwtExpiry} from '../auth/jwt-claims.ts'
import {parseScopes, repositoryScope, type Scope} from '../auth/scope.ts'
import {isTokenText} from '../auth/token-response.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {isTrustedHost} from '../content/remote/realm-trust.ts'
import type {Secret} from '../core/secret.ts'
import type {Logins} from '../credentials/logins.ts'
import type {RepositoryName} from '../oci/reference.ts'
import type {LoginRecord, RegistryStore} from '../records/store.ts'
import {MAX_PING_BODY_BYTES} from '../registries/limits.ts'
import {type AuthenticationQuestion, readQuestion} from '../registries/ping.ts'
import {probeRegistry} from '../registries/probe.ts'
import {agreeOnRealm, type ConfirmRealm, trusting} from '../registries/realm-consent.ts'
import type {RegistrySubject} from '../registries/subject.ts'
import {askJson} from './ask-json.ts'
import {type LoginAttempt, loginFailure} from './attempt.ts'
import {keepUnproven, type ProvenSecret, proveBasic, proveByTokenEndpoint, proveIdentityToken} from './prove.ts'
import type {RegistryDoor} from './registry-door.ts'
import {createTokenEndpoint, type LoginNetwork, type TokenEndpoint} from './token-endpoint.ts'

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
  /** Where a host is remembered that the user trusts with the credentials of a registry. */
  readonly records: Pick<RegistryStore, 'trustHost'>
  /** Asks the user whether a token endpoint elsewhere may have the secret; absent where no user can be asked. */
  readonly confirmRealm?: ConfirmRealm | undefined
  readonly now: () => Date
}

export interface LoginOutcome {
  /** What was kept. */
  readonly login: LoginRecord
  readonly scheme: 'none' | 'basic' | 'bearer'
  /** Whether the registry was seen to let in what was kept; impossible where it does not authenticate. */
  readonly isProven: boolean
  /** Why a password is kept and not a token: a sentence without its full stop. */
  readonly reason?: string
  /** The host of the token endpoint that was shown the secret, where there is one. */
  readonly realmHost?: string
}

/**
 * Logs in: finds how the registry, or the repository where only that asks, wants to be asked, exchanges a password for an identity token where it gives one, proves that
 * what is to be kept opens it, and keeps it. Where nothing asks, it is kept without a proof. Whatever fails, nothing is kept; secrets go to the registry and to its trusted
 * realm only, and are in no error.
 * @throws {HoldfastError} UNAUTHENTICATED for a wrong password or token; ACCOUNT_LOCKED; RATE_LIMITED; NO_IDENTITY_TOKEN when only a token may be kept;
 * DENIED for an account that may not read the repository; UNSUPPORTED when the endpoint gives no token at all; UNTRUSTED_HOST; REGISTRY_UNAVAILABLE, NETWORK, TIMEOUT, TLS,
 * PLAIN_HTTP; USAGE for an account or a secret that cannot be sent; KEYCHAIN_* from keeping it.
 */
export async function logIn(request: LoginRequest, dependencies: LoginDependencies): Promise<LoginOutcome> {
  const {endpoint, subject, pathPrefix} = request
  const attempt = attemptOf(request)
  const http = dependencies.openHttp(endpoint)
  try {
    const {base, ...answered} = await probeRegistry(endpoint, subject, http, dependencies)
    const isOpen = answered.authScheme === 'none'
    const door = {http, signal: dependencies.signal, ...doorOf(base, isOpen ? pathPrefix : undefined)}
    const question = answered.authScheme === 'none' ? await askRepository(door, attempt) : {...answered, authScheme: answered.authScheme}
    if (question?.authScheme !== 'bearer') {
      const proven = question === undefined ? keepUnproven(request, attempt) : await proveByBasic(request, attempt, door)
      return await keep(request, proven, question?.authScheme ?? 'none', dependencies)
    }
    const {realm, newlyTrusted} = await agreeOnRealm(question.realm, base, endpoint, {confirm: dependencies.confirmRealm})
    // With a client that may connect to the host.
    if (newlyTrusted !== undefined) return await logIn({...request, endpoint: trusting(endpoint, newlyTrusted)}, dependencies)
    const tokens = createTokenEndpoint(realm, {service: question.service, scopes: scopesOf(question, door)}, door)
    const proven = await proveByToken(request, attempt, door, tokens)
    const kept = await keep(request, proven, 'bearer', dependencies)
    // Only with the login: a trust without one is nowhere to be seen, and `logout` would leave it.
    if (isTrustedHost(realm, {...endpoint, pinnedHosts: []})) await dependencies.records.trustHost(endpoint.registry, realm.host, 'login')
    return {...kept, realmHost: realm.host}
  } finally {
    http.close()
  }
}

function doorOf(base: URL, repository: RepositoryName | undefined): Pick<RegistryDoor, 'url' | 'repository'> {
  if (repository === undefined) return {url: new URL('/v2/', base)}
  return {url: new URL(`/v2/${repository}/tags/list?n=1`, base), repository}
}

/**
 * How a repository asks who one is; undefined when it does not, or none is meant.
 * @throws {HoldfastError} UNSUPPORTED when it asks for something else.
 */
async function askRepository(
  {http, url, repository, signal}: RegistryDoor,
  attempt: LoginAttempt,
): Promise<AuthenticationQuestion | undefined> {
  if (repository === undefined) return undefined
  const {status, headers} = await askJson(http, {method: 'GET', url, maxBodyBytes: MAX_PING_BODY_BYTES, signal})
  const question = status === 401 ? readQuestion(headers) : undefined
  if (status !== 401 || question !== undefined) return question
  throw loginFailure(attempt, 'UNSUPPORTED', `"${repository}" asks for neither Basic nor Bearer authentication`, {
    hints: [`curl -i ${url.href}`],
  })
}

function scopesOf({scope}: AuthenticationQuestion, {repository}: RegistryDoor): readonly Scope[] {
  if (repository === undefined) return []
  const asked = parseScopes(scope ?? '')
  return asked.length > 0 ? asked : [repositoryScope(repository, 'pull')]
}

async function keep(
  {endpoint, pathPrefix, account}: LoginRequest,
  {kind, secret, reason, isProven = true}: ProvenSecret,
  scheme: LoginOutcome['scheme'],
  {logins, now}: LoginDependencies,
): Promise<LoginOutcome> {
  const expiresAt = kind === 'identity-token' ? readJwtExpiry(secret.reveal()) : undefined
  const login: LoginRecord = {
    registry: endpoint.registry,
    ...(pathPrefix === undefined ? {} : {pathPrefix}),
    account,
    kind,
    loggedInAt: now().toISOString(),
    ...(expiresAt === undefined ? {} : {expiresAt: expiresAt.toISOString()}),
  }
  await logins.save(login, secret)
  return {login, scheme, isProven, ...(reason === undefined ? {} : {reason})}
}

function proveByBasic({secret, tokenOnly}: LoginRequest, attempt: LoginAttempt, door: RegistryDoor): Promise<ProvenSecret> {
  return proveBasic(door, attempt, secret.value.reveal(), tokenOnly)
}

function proveByToken(
  {secret, tokenOnly}: LoginRequest,
  attempt: LoginAttempt,
  door: RegistryDoor,
  tokens: TokenEndpoint,
): Promise<ProvenSecret> {
  const value = secret.value.reveal()
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
