/** Who we are at a registry, asked of the registry itself. */
import {readJwtExpiry} from '../auth/jwt-claims.ts'
import type {RegistryCredential, RegistryEndpoint} from '../content/remote/endpoint.ts'
import {pullAccess, type RegistryRequest, type RegistryResponse, RegistrySession} from '../content/remote/session.ts'
import {HoldfastError} from '../core/errors.ts'
import {redactUrl} from '../core/redaction.ts'
import type {Logins} from '../credentials/logins.ts'
import type {HttpClient} from '../http/client.ts'
import {DOCKER_HUB, parseRepositoryName, type RegistryHost, type RepositoryName} from '../oci/reference.ts'
import type {LoginRecord} from '../records/store.ts'
import {type RateLimit, readRateLimit} from './rate-limit.ts'

/** The image that docker.io answers with the account's rate limit for; a HEAD does not count as a pull. */
const DOCKER_HUB_PREVIEW = {repository: 'ratelimitpreview/test', tag: 'latest'} as const

export interface WhoAmIDependencies {
  readonly logins: Pick<Logins, 'reveal'>
  /** Whoever asked for the client closes it. */
  readonly openHttp: (endpoint: RegistryEndpoint) => HttpClient
  /** Asked where the registry itself does not authenticate. */
  readonly pathPrefix?: RepositoryName | undefined
  readonly signal?: AbortSignal | undefined
  readonly warn?: ((message: string) => void) | undefined
}

export interface Identity {
  readonly registry: RegistryHost
  /** Absent for a token that was not given with a user name. */
  readonly account?: string
  readonly kind: 'password' | 'identity-token' | 'registry-token'
  /** False when the registry has answered without asking who it is: then nothing shows that the credential is good. */
  readonly isProven: boolean
  /** ISO 8601; when the token says so. */
  readonly tokenExpiresAt?: string
  /** Absent when the registry names none. */
  readonly rateLimit?: RateLimit
}

/**
 * Shows a login, or a credential from elsewhere, to its registry and tells whose it is and what the registry says of rate limits.
 * @throws {HoldfastError} UNAUTHENTICATED, DENIED when the registry does not let it in; RATE_LIMITED at once; KEYCHAIN_*, CREDENTIAL_NOT_FOUND from reading the
 * keychain; UNTRUSTED_HOST, also for a redirect, which proves nothing; REGISTRY_UNAVAILABLE, NETWORK, TIMEOUT, TLS, PLAIN_HTTP.
 */
export async function whoAmI(
  who: LoginRecord | RegistryCredential,
  endpoint: RegistryEndpoint,
  dependencies: WhoAmIDependencies,
): Promise<Identity> {
  const login = 'registry' in who ? who : undefined
  const credential = 'registry' in who ? await dependencies.logins.reveal(who) : who
  const http = dependencies.openHttp(endpoint)
  try {
    const session = new RegistrySession({
      endpoint,
      http,
      credentials: async () => credential,
      rateLimitWaitMs: 0,
      warn: dependencies.warn,
    })
    const ask = async (asked: Question): Promise<RegistryResponse> => {
      const answer = await session.send({...asked, redirects: 'refuse', signal: dependencies.signal})
      if (answer.status >= 300 && answer.status < 400) throw redirected(asked, answer)
      if (answer.status >= 400 && !(answer.status === 404 && asked.isAnsweredByAbsence)) throw session.refusal(asked.action, answer)
      return answer
    }
    const first = await ask(registryQuestion(endpoint.registry))
    const {pathPrefix} = dependencies
    const answer = first.isAuthorized || pathPrefix === undefined ? first : await ask(repositoryQuestion(endpoint.registry, pathPrefix))
    const account = login?.account ?? (credential.kind === 'basic' ? credential.username : undefined)
    const tokenExpiresAt = login?.expiresAt ?? (credential.kind === 'basic' ? undefined : readJwtExpiry(credential.token)?.toISOString())
    const rateLimit = readRateLimit(answer.headers)
    return {
      registry: endpoint.registry,
      ...(account === undefined ? {} : {account}),
      kind: credential.kind === 'basic' ? 'password' : credential.kind,
      isProven: answer.isAuthorized,
      ...(tokenExpiresAt === undefined ? {} : {tokenExpiresAt}),
      ...(rateLimit === undefined ? {} : {rateLimit}),
    }
  } finally {
    http.close()
  }
}

interface Question extends Pick<RegistryRequest, 'method' | 'target' | 'access' | 'action'> {
  /** A 404 is the answer to an account that may read what is not there. */
  readonly isAnsweredByAbsence?: boolean
}

function repositoryQuestion(registry: RegistryHost, repository: RepositoryName): Question {
  const action = `ask "${registry}/${repository}" who is logged in`
  return {method: 'GET', target: `v2/${repository}/tags/list?n=1`, access: pullAccess(repository), action, isAnsweredByAbsence: true}
}

function redirected({action}: Question, {url, headers: {location = ''}}: RegistryResponse): HoldfastError {
  const target = URL.parse(location, url.href)
  const where = target === null ? 'elsewhere' : `to "${redactUrl(target)}"`
  return new HoldfastError('UNTRUSTED_HOST', `cannot ${action}: it redirects ${where}, whose answer would prove nothing`, {
    hints: [`curl -i ${url.origin}/v2/`],
    details: {host: target?.host ?? url.host},
  })
}

function registryQuestion(registry: RegistryHost): Question {
  const action = `ask "${registry}" who is logged in`
  if (registry !== DOCKER_HUB) return {method: 'GET', target: 'v2/', access: {scopes: []}, action}
  const {repository, tag} = DOCKER_HUB_PREVIEW
  return {method: 'HEAD', target: `v2/${repository}/manifests/${tag}`, access: pullAccess(parseRepositoryName(repository)), action}
}
