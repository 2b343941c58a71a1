/** The token endpoint of a foundation (UAA): the grants that cf uses, asked at the login server. Nothing is tried twice: a wrong password more would lock the account. */
import {basicAuthorization} from '../auth/basic.ts'
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import {rememberSecrets} from '../core/known-secrets.ts'
import {excerpt} from '../core/redaction.ts'
import {Secret} from '../core/secret.ts'
import type {JsonRequest} from '../http/json-client.ts'
import type {ServerHints} from '../http/wire/failures.ts'

/** The client that cf is at every foundation; its secret is empty. */
export const CF_CLIENT = 'cf'

export interface CloudFoundryNetwork {
  readonly proxyFor?: ((url: URL) => URL | undefined) | undefined
  /** PEM of authorities that are trusted beside the system's. */
  readonly ca?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly userAgent?: string | undefined
  readonly onExchange?: JsonRequest['onExchange']
  readonly now: () => Date
  /** @throws {HoldfastError} INTERRUPTED */
  readonly sleep: (ms: number) => Promise<void>
}

/** What helps where a server of a foundation cannot be reached. */
export function foundationHints({origin}: URL): ServerHints {
  return {reach: `curl -sS ${origin}/`, trust: ['export HOLDFAST_CF_CA_FILE=FILE  # the authority of the foundation, in PEM']}
}

export interface RenewedTokens {
  readonly accessToken: Secret
  /** Absent when the old one stays. */
  readonly refreshToken?: Secret | undefined
}

interface LoginPlace {
  /** The login server's URL. */
  readonly login: string
  readonly insecure: boolean
}

/** @throws {HoldfastError} UNAUTHENTICATED, ACCOUNT_LOCKED, RATE_LIMITED, REGISTRY_UNAVAILABLE, NETWORK, TIMEOUT, TLS; the same for every grant. */
export async function passwordGrant(
  place: LoginPlace,
  {username, password, origin}: {readonly username: string; readonly password: Secret; readonly origin?: string | undefined},
  network: CloudFoundryNetwork,
): Promise<RenewedTokens> {
  const query = origin === undefined ? {} : {login_hint: JSON.stringify({origin})}
  const form = {grant_type: 'password', username, password: password.reveal()}
  return await askForToken(place, {form, query, client: CF_CLIENT}, network)
}

/** By a one-time passcode, which people get at `<login>/passcode` after single sign-on. */
export async function passcodeGrant(place: LoginPlace, passcode: Secret, network: CloudFoundryNetwork): Promise<RenewedTokens> {
  const form = {grant_type: 'password', passcode: passcode.reveal()}
  return await askForToken(place, {form, client: CF_CLIENT}, network)
}

/** For programs; answers no refresh token. */
export async function clientCredentialsGrant(
  place: LoginPlace,
  clientId: string,
  clientSecret: Secret,
  network: CloudFoundryNetwork,
): Promise<RenewedTokens> {
  const form = {grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret.reveal()}
  return await askForToken(place, {form}, network)
}

export async function refreshGrant(
  place: LoginPlace,
  {
    clientId,
    clientSecret,
    refreshToken,
  }: {readonly clientId: string; readonly clientSecret?: Secret | undefined; readonly refreshToken: Secret},
  network: CloudFoundryNetwork,
): Promise<RenewedTokens> {
  const form = {grant_type: 'refresh_token', refresh_token: refreshToken.reveal()}
  return await askForToken(place, {form, client: clientId, clientSecret}, network)
}

interface TokenRequest {
  readonly form: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  /** Who asks, by HTTP Basic; absent when the form says so. */
  readonly client?: string
  readonly clientSecret?: Secret | undefined
}

async function askForToken(
  {login, insecure}: LoginPlace,
  {form, query = {}, client, clientSecret}: TokenRequest,
  {proxyFor, ca, signal, userAgent, onExchange}: CloudFoundryNetwork,
): Promise<RenewedTokens> {
  const {requestJson} = await import('../http/json-client.ts')
  const url = new URL('/oauth/token', login)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const {status, json} = await requestJson({
    method: 'POST',
    url,
    form,
    headers: {
      ...(client === undefined ? {} : {authorization: basicAuthorization(client, clientSecret?.reveal() ?? '')}),
      ...(userAgent === undefined ? {} : {'user-agent': userAgent}),
    },
    tls: {insecure, ...(ca === undefined ? {} : {ca})},
    proxy: proxyFor?.(url),
    hints: foundationHints(url),
    signal,
    onExchange,
  })
  const field = (name: string): string | undefined => {
    const value: unknown = Reflect.get(Object(json), name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const [accessToken, refreshToken] = [field('access_token'), field('refresh_token')]
  rememberSecrets(...[accessToken, refreshToken].filter((token) => token !== undefined))
  if (status === 200 && accessToken !== undefined) {
    return {accessToken: new Secret(accessToken), ...(refreshToken === undefined ? {} : {refreshToken: new Secret(refreshToken)})}
  }
  const said = excerpt([field('error'), field('error_description')].filter((part) => part !== undefined).join(': '))
  throw refusal(login, status, said)
}

function refusal(login: string, status: number, said: string): HoldfastError {
  const quoted = `${status}${said === '' ? '' : ` ${said}`}`
  const fail = (code: ErrorCode, reason: string, hints: readonly string[] = []): HoldfastError =>
    new HoldfastError(code, `cannot log in at "${login}": ${reason} (${quoted})`, {hints, details: {httpStatus: status}})
  if (/account has been locked/i.test(said)) return fail('ACCOUNT_LOCKED', 'the account is locked; more tries prolong it')
  if (status === 429) return fail('RATE_LIMITED', 'it asks to slow down')
  if (status === 401 || status === 400) return fail('UNAUTHENTICATED', 'it refuses what was given', ['cf login', 'holdfast login --cf API'])
  if (status === 403) return fail('DENIED', 'the client may not do this')
  if (status >= 500) return fail('REGISTRY_UNAVAILABLE', 'it fails')
  return fail('UNSUPPORTED', 'it does not answer as a UAA does')
}
