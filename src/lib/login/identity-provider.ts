/**
 * Logging in where the people of a collector log in: with a browser, at whatever machine, by the device authorization grant (RFC 8628), which needs no port here and works
 * over ssh. What it ends with is an ID token (OpenID Connect Core 1.0 §2), which is exchanged at once and kept nowhere.
 */
import {hostClass} from '../content/remote/realm-trust.ts'
import {type ErrorCode, HoldfastError, hasCode} from '../core/errors.ts'
import {shorten} from '../core/redaction.ts'
import {SYSTEM_CLOCK} from '../core/retry.ts'
import {Secret} from '../core/secret.ts'
import type {JsonRequest, JsonResponse} from '../http/json-client.ts'

/** RFC 8628 §3.2: five seconds where the provider does not say. */
const DEFAULT_INTERVAL_SECONDS = 5
/** RFC 8628 §3.5. */
const SLOW_DOWN_SECONDS = 5
/** What a provider asks for beyond these is not followed: it must neither be asked without a pause, nor keep us for ever. */
const MIN_INTERVAL_SECONDS = 1
const MAX_INTERVAL_SECONDS = 60
/** A code that its provider gives for ever is waited for no longer than this. */
const MAX_WAIT_SECONDS = 30 * 60
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** Metadata of a provider of many tenants. */
const MAX_METADATA_BYTES = 256 * 1024
const MAX_CODE_CHARACTERS = 300
const MAX_URI_CHARACTERS = 2048

export interface IdentityProviderOffer {
  readonly name: string
  readonly issuer: string
  readonly clientId: string
  readonly scopes: readonly string[]
  /** The collector that names it. */
  readonly offeredBy: URL
}

/** What somebody has to do now, and until when. */
export interface DeviceCode {
  /** Where to go with a browser, and what to type there. */
  readonly verificationUri: string
  readonly userCode: string
  /** The same with the code in it, where the provider gives one. */
  readonly verificationUriComplete?: string
  readonly expiresInSeconds: number
}

export interface DeviceLoginNetwork {
  /** Judges the address of every connection: a collector names the provider, and the provider its endpoints. */
  readonly request: (request: Pick<JsonRequest, 'method' | 'url' | 'form' | 'maxBodyBytes'>) => Promise<JsonResponse>
  readonly signal?: AbortSignal | undefined
  /** Waits so many milliseconds; the system's clock when absent. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/**
 * Reads which providers a collector lets people log in at.
 * @param origin the collector's: where its token endpoint is.
 * @throws {HoldfastError} UNSUPPORTED when it has none, or is no collector; USAGE when it has several and none of that name.
 */
export async function findIdentityProvider(
  origin: URL,
  name: string | undefined,
  {request}: DeviceLoginNetwork,
): Promise<IdentityProviderOffer> {
  const {status, json} = await request({method: 'GET', url: new URL('/.well-known/identity-providers', origin)})
  const listed: unknown = status === 200 ? Reflect.get(Object(json), 'identityProviders') : undefined
  const offers = (Array.isArray(listed) ? listed : []).flatMap((one) => readOffer(one, origin) ?? [])
  if (offers.length === 0) {
    throw new HoldfastError('UNSUPPORTED', `cannot log in with a browser: ${origin.host} names no identity provider`, {
      hints: ['holdfast login REGISTRY --username NAME'],
      details: {host: origin.host},
    })
  }
  const chosen = name === undefined && offers.length === 1 ? offers[0] : offers.find((offer) => offer.name === name)
  if (chosen !== undefined) return chosen
  const wanted = name === undefined ? 'it has several' : `it has none called "${name}"`
  throw new HoldfastError('USAGE', `cannot choose an identity provider of ${origin.host}: ${wanted}`, {
    hints: offers.map((offer) => `--identity-provider ${offer.name}`),
  })
}

/**
 * Logs in at a provider; `show` is told what somebody has to do, once.
 * @throws {HoldfastError} UNSUPPORTED when the provider does not offer it; UNTRUSTED_HOST for a URL without https, or with an address that connections may not use; DENIED when the user refused; TIMEOUT when the user did not answer in time; REGISTRY_UNAVAILABLE; NETWORK,
 * TLS; INTERRUPTED.
 */
export async function logInByDevice(
  provider: IdentityProviderOffer,
  show: (code: DeviceCode) => void,
  network: DeviceLoginNetwork,
): Promise<Secret> {
  const {deviceEndpoint, tokenEndpoint} = await discover(provider, network)
  const {clientId, scopes} = provider
  const begun = await network.request({method: 'POST', url: deviceEndpoint, form: {client_id: clientId, scope: scopes.join(' ')}})
  const device = begun.status === 200 ? readDeviceAnswer(begun.json) : undefined
  if (device === undefined) throw refusal(provider, begun)
  for (const uri of [device.verificationUri, device.verificationUriComplete]) {
    if (uri === undefined) continue
    if (!URL.canParse(uri)) throw failure(provider, 'UNSUPPORTED', 'the page for the code that it names is not a URL')
    assertPrivate(new URL(uri), 'page for the code', provider)
  }
  show(device)
  let intervalSeconds = device.intervalSeconds
  const {sleep = SYSTEM_CLOCK.sleep} = network
  for (let waitedSeconds = 0; waitedSeconds < device.expiresInSeconds; waitedSeconds += intervalSeconds) {
    await sleep(intervalSeconds * 1000, network.signal)
    const form = {grant_type: DEVICE_GRANT, device_code: device.deviceCode.reveal(), client_id: clientId}
    const answer = await network.request({method: 'POST', url: tokenEndpoint, form}).catch((error: unknown) => {
      if (hasCode(error, 'NETWORK', 'TIMEOUT')) return undefined
      throw error
    })
    if (answer === undefined) {
      // RFC 8628 §3.5: ask less often while there is no way.
      intervalSeconds = Math.min(intervalSeconds * 2, MAX_INTERVAL_SECONDS)
      continue
    }
    const idToken: unknown = Reflect.get(Object(answer.json), 'id_token')
    if (answer.status === 200 && typeof idToken === 'string') return new Secret(idToken)
    const error = errorOf(answer)
    if (error === 'slow_down') intervalSeconds = Math.min(intervalSeconds + SLOW_DOWN_SECONDS, MAX_INTERVAL_SECONDS)
    else if (error === 'expired_token') break
    else if (error !== 'authorization_pending') throw refusal(provider, answer)
  }
  throw failure(provider, 'TIMEOUT', 'nobody has confirmed the code in time')
}

interface Endpoints {
  readonly deviceEndpoint: URL
  readonly tokenEndpoint: URL
}

/** OpenID Connect Discovery 1.0 §4. */
async function discover(provider: IdentityProviderOffer, {request}: DeviceLoginNetwork): Promise<Endpoints> {
  const {issuer} = provider
  assertPrivate(new URL(issuer), 'issuer', provider)
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const {status, json} = await request({method: 'GET', url, maxBodyBytes: MAX_METADATA_BYTES})
  const field = (name: string): unknown => Reflect.get(Object(json), name)
  if (status !== 200 || field('issuer') !== issuer) {
    throw failure(provider, 'REGISTRY_UNAVAILABLE', `it does not describe itself as that issuer (${status})`)
  }
  const endpoint = (name: string): URL => {
    const value = field(name)
    if (typeof value !== 'string' || !URL.canParse(value))
      throw failure(provider, 'UNSUPPORTED', `it offers no ${name.replaceAll('_', ' ')}`)
    const found = new URL(value)
    assertPrivate(found, name.replaceAll('_', ' '), provider)
    return found
  }
  return {deviceEndpoint: endpoint('device_authorization_endpoint'), tokenEndpoint: endpoint('token_endpoint')}
}

/**
 * Codes and tokens are as good as a password: they go over https, or stay on this machine with a collector that is on it as well.
 * @throws {HoldfastError} UNTRUSTED_HOST
 */
function assertPrivate(url: URL, what: string, provider: IdentityProviderOffer): void {
  const isHere = hostClass(url) === 'loopback' && hostClass(provider.offeredBy) === 'loopback'
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isHere)) return
  throw failure(provider, 'UNTRUSTED_HOST', `its ${what} is not behind https`)
}

interface DeviceAnswer extends DeviceCode {
  readonly deviceCode: Secret
  readonly intervalSeconds: number
}

/** RFC 8628 §3.2. */
function readDeviceAnswer(json: unknown): DeviceAnswer | undefined {
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(Object(json), name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const count = (name: string): number | undefined => {
    const value: unknown = Reflect.get(Object(json), name)
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined
  }
  const [deviceCode, userCode, verificationUri] = [text('device_code'), text('user_code'), text('verification_uri')]
  const verificationUriComplete = text('verification_uri_complete')
  const expiresInSeconds = count('expires_in')
  if (deviceCode === undefined || userCode === undefined || verificationUri === undefined || expiresInSeconds === undefined)
    return undefined
  return {
    deviceCode: new Secret(deviceCode),
    userCode: shorten(userCode, MAX_CODE_CHARACTERS),
    verificationUri: shorten(verificationUri, MAX_URI_CHARACTERS),
    ...(verificationUriComplete === undefined ? {} : {verificationUriComplete: shorten(verificationUriComplete, MAX_URI_CHARACTERS)}),
    expiresInSeconds: Math.min(expiresInSeconds, MAX_WAIT_SECONDS),
    intervalSeconds: Math.min(Math.max(count('interval') ?? DEFAULT_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS),
  }
}

function refusal(provider: IdentityProviderOffer, answer: JsonResponse): HoldfastError {
  const error = errorOf(answer)
  if (error === 'access_denied') return failure(provider, 'DENIED', 'it was refused there')
  if (error === 'expired_token') return failure(provider, 'TIMEOUT', 'nobody has confirmed the code in time')
  if (answer.status >= 500) return failure(provider, 'REGISTRY_UNAVAILABLE', `it answered ${answer.status}`)
  return failure(
    provider,
    'UNSUPPORTED',
    `it refuses the client "${provider.clientId}" (${answer.status} ${error ?? ''})`.replace(' )', ')'),
  )
}

/** RFC 6749 §5.2; a description may repeat what was sent, so it is left out. */
function errorOf({json}: JsonResponse): string | undefined {
  const error: unknown = Reflect.get(Object(json), 'error')
  return typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : undefined
}

function failure({name, issuer}: IdentityProviderOffer, code: ErrorCode, reason: string): HoldfastError {
  return new HoldfastError(code, `cannot log in at identity provider "${name}" (${issuer}): ${reason}; nothing was kept`, {
    details: {issuer},
  })
}

function readOffer(json: unknown, offeredBy: URL): IdentityProviderOffer | undefined {
  const field = (name: string): unknown => Reflect.get(Object(json), name)
  const [name, issuer, clientId, scopes] = ['name', 'issuer', 'clientId', 'scopes'].map(field)
  if (typeof name !== 'string' || typeof issuer !== 'string' || typeof clientId !== 'string' || !Array.isArray(scopes)) return undefined
  if (!URL.canParse(issuer)) return undefined
  return {name, issuer, clientId, scopes: scopes.filter((scope) => typeof scope === 'string'), offeredBy}
}
