/** The way to a collector elsewhere: its transport is that of a declared registry on the same host, and who we are there is a session in the keychain, or the environment. */
import {basicAuthorization} from '../auth/basic.ts'
import type {Collector} from '../collector/collector.ts'
import type {ApiAnswer, ApiRequest} from '../collector/remote.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {tlsForOrigin} from '../content/remote/endpoint-tls.ts'
import {isLoopbackHost} from '../content/remote/trust.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import type {CredentialSources} from '../credentials/lookup.ts'
import type {SecretStore} from '../credentials/secret-store.ts'
import type {DeviceCode, DeviceLoginNetwork} from '../login/identity-provider.ts'
import type {LoginNetwork} from '../login/token-endpoint.ts'
import type {LoginKey, RecordStore} from '../records/store.ts'

/** What it takes of the context. */
export interface CollectorContext {
  records(): Promise<RecordStore>
  keychain(): Promise<SecretStore>
  credentialSources(): Promise<CredentialSources>
  loginNetwork(): Promise<LoginNetwork & Required<Pick<LoginNetwork, 'openHttp'>>>
}

/** Lists of a whole collector. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export interface RemoteCollectorPlace {
  /** `https://host[:port]` */
  readonly url: string
  readonly endpoint: RegistryEndpoint
}

/** @throws {HoldfastError} USAGE when it is no URL of a collector; PLAIN_HTTP when it is without TLS, neither on this machine nor declared so. */
export async function findCollectorPlace(context: CollectorContext, text: string): Promise<RemoteCollectorPlace> {
  const [{parseRegistryUrl}, {findEndpoint}, records] = await Promise.all([
    import('../registries/registry-url.ts'),
    import('../registries/find.ts'),
    context.records(),
  ])
  const {host, scheme} = parseRegistryUrl(text)
  const {endpoint} = await findEndpoint(records, host)
  const isPlain = scheme === 'http' || endpoint.plainHttp === 'always'
  const url = `${isPlain ? 'http' : 'https'}://${host}`
  if (isPlain && endpoint.plainHttp !== 'always' && !isLoopbackHost(new URL(url).hostname)) {
    throw new HoldfastError('PLAIN_HTTP', `cannot use collector "${url}": the password would be read by everybody on the way`, {
      hints: [`holdfast collector use https://${host}`, `holdfast registry add NAME ${url} --plain-http   # if that is what you want`],
    })
  }
  return {url, endpoint}
}

/** Opens the collector at a URL, as whoever we are there. */
export async function openRemoteCollector(context: CollectorContext, text: string): Promise<Collector> {
  const [{createRemoteCollector}, place] = await Promise.all([import('../collector/remote.ts'), findCollectorPlace(context, text)])
  let authorization: Promise<string> | undefined
  return createRemoteCollector(place.url, async (request) => {
    authorization ??= authorizationFor(context, place)
    return await sendToCollector(context, place, request, await authorization)
  })
}

/** Sends one request to the REST API. */
async function sendToCollector(
  context: CollectorContext,
  {url, endpoint}: RemoteCollectorPlace,
  {method, path, json}: ApiRequest,
  authorization: string,
): Promise<ApiAnswer> {
  const [{requestJson}, {openHttp: _, proxyFor, signal, onExchange}] = await Promise.all([
    import('../http/json-client.ts'),
    context.loginNetwork(),
  ])
  const target = new URL(`/api/v1${path}`, url)
  return await requestJson({
    method,
    url: target,
    headers: {authorization},
    ...(json === undefined ? {} : {json}),
    maxBodyBytes: MAX_ANSWER_BYTES,
    tls: tlsForOrigin(endpoint, target.origin),
    proxy: proxyFor?.(target),
    signal,
    onExchange,
  })
}

/** Where the session of an account is in the keychain; no login of a registry stands there. */
export function sessionKey({endpoint}: RemoteCollectorPlace, account: string): LoginKey {
  return {registry: endpoint.registry, account: `collector session of ${account}`}
}

async function authorizationFor(context: CollectorContext, place: RemoteCollectorPlace): Promise<string> {
  const {registry} = place.endpoint
  const {environment} = await context.credentialSources()
  const given = await environment?.find(registry, undefined)
  if (given?.kind === 'basic') return basicAuthorization(given.username, given.password)
  const account = await (await context.records()).readSetting('collector-account')
  const session = account === undefined ? undefined : await (await context.keychain()).readSecret(sessionKey(place, account))
  if (session !== undefined) return `Bearer ${session.reveal()}`
  throw new HoldfastError('UNAUTHENTICATED', `cannot ask collector "${place.url}": nobody is logged in there`, {
    hints: [`holdfast collector use ${place.url}`],
  })
}

/** Who we are at a collector: the account of the environment, or that of `collector use`. */
export async function accountAt(context: CollectorContext, url: string): Promise<string | undefined> {
  const {endpoint} = await findCollectorPlace(context, url)
  const given = await (await context.credentialSources()).environment?.find(endpoint.registry, undefined)
  return given?.kind === 'basic' ? given.username : await (await context.records()).readSetting('collector-account')
}

export interface CollectorSession {
  readonly token: Secret
  /** ISO 8601. */
  readonly expiresAt: string
}

/** Begins a session that lasts for days. */
export async function beginSession(
  context: CollectorContext,
  place: RemoteCollectorPlace,
  account: string,
  password: Secret,
): Promise<CollectorSession> {
  const {user: _, ...session} = await requestSession(context, place, basicAuthorization(account, password.reveal()))
  return session
}

/** The same for whoever logs in at an identity provider of the collector; `show` is told what he has to do. */
export async function beginSessionBySignOn(
  context: CollectorContext,
  place: RemoteCollectorPlace,
  provider: string | undefined,
  show: (code: DeviceCode) => void,
): Promise<CollectorSession & {readonly account: string}> {
  const [{findIdentityProvider, logInByDevice}, {askJson}, {openHttp, signal}] = await Promise.all([
    import('../login/identity-provider.ts'),
    import('../login/ask-json.ts'),
    context.loginNetwork(),
  ])
  // The provider is another party: the collector's client judges where its names lead.
  const http = openHttp(place.endpoint)
  const request: DeviceLoginNetwork['request'] = (call) => askJson(http, {...call, signal})
  const idToken = await (async () => {
    try {
      const chosen = await findIdentityProvider(new URL(place.url), provider, {request, signal})
      return await logInByDevice(chosen, show, {request, signal})
    } catch (error) {
      throw withTrustingCommand(error, place)
    } finally {
      http.close()
    }
  })()
  const {user, ...session} = await requestSession(context, place, `Bearer ${idToken.reveal()}`)
  return {...session, account: user}
}

/** The hints of the client trust a host for a registry; a collector is logged in to by another command. */
function withTrustingCommand(error: unknown, {url}: RemoteCollectorPlace): unknown {
  if (!hasCode(error, 'UNTRUSTED_HOST') || error.hints.length === 0) return error
  const hints = [`holdfast collector use ${url} --sso --trust-host ${String(error.details.host)}`]
  return new HoldfastError(error.code, error.message, {hints, details: error.details, cause: error})
}

async function requestSession(
  context: CollectorContext,
  place: RemoteCollectorPlace,
  authorization: string,
): Promise<CollectorSession & {readonly user: string}> {
  const {status, json} = await sendToCollector(context, place, {method: 'POST', path: '/sessions', json: {isLong: true}}, authorization)
  const [token, expiresAt, user] = ['token', 'expiresAt', 'user'].map((name): unknown => Reflect.get(Object(json), name))
  if (status === 201 && typeof token === 'string' && typeof expiresAt === 'string' && typeof user === 'string') {
    return {token: new Secret(token), expiresAt, user}
  }
  if (status === 401) {
    const isBasic = authorization.startsWith('Basic ')
    const reason = isBasic ? 'it refuses the user name or the password' : 'it does not let in who has logged in at the identity provider'
    throw new HoldfastError('UNAUTHENTICATED', `cannot log in to collector "${place.url}": ${reason}`, {
      hints: [`holdfast collector use ${place.url} --username NAME`],
    })
  }
  if (status === 429) throw new HoldfastError('RATE_LIMITED', `cannot log in to collector "${place.url}": too many attempts have failed`)
  throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot log in to "${place.url}": it answered ${status}, and not as a collector does`, {
    hints: [`curl -i ${place.url}/openapi.json`],
  })
}
