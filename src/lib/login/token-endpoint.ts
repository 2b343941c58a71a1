/** A registry's token endpoint as a login asks it. Secrets go to its realm and nowhere else: no redirect is followed, nothing is tried twice. */
import {basicAuthorization} from '../auth/basic.ts'
import type {Scope} from '../auth/scope.ts'
import {passwordForm, refreshTokenForm, tokenUrl} from '../auth/token-request.ts'
import type {HttpClient} from '../http/client.ts'
import type {JsonRequest} from '../http/json-client.ts'
import type {RegistryNetwork} from '../registries/probe.ts'
import {askJson} from './ask-json.ts'
import type {RefusingAnswer} from './attempt.ts'

/** The way to registries and to their token endpoints. */
export interface LoginNetwork extends RegistryNetwork {
  readonly userAgent?: string | undefined
  /** Told of each request to a control plane, without its query, headers and body. */
  readonly onExchange?: JsonRequest['onExchange']
}

/** Every status is an ordinary answer. Rejects with NETWORK, TIMEOUT, TLS, PLAIN_HTTP, UNTRUSTED_HOST, INTERRUPTED, INTEGRITY. */
export interface TokenEndpoint {
  readonly realm: URL
  /** Asks for an access and a refresh token by GET (distribution's token authentication). */
  askByBasic(username: string, password: string): Promise<RefusingAnswer>
  /** The same by the OAuth 2 form, which not every endpoint offers. */
  askByPasswordForm(username: string, password: string): Promise<RefusingAnswer>
  /** Exchanges a refresh token for an access token. */
  askByRefreshToken(refreshToken: string): Promise<RefusingAnswer>
}

/** What tokens are asked for. */
export interface TokenSubject {
  readonly service?: string | undefined
  readonly scopes: readonly Scope[]
}

/**
 * @param realm one that may have the credentials of the registry.
 * @param http the registry's client, which judges where connections lead.
 */
export function createTokenEndpoint(
  realm: URL,
  {service, scopes}: TokenSubject,
  {http, signal}: {readonly http: HttpClient; readonly signal?: AbortSignal | undefined},
): TokenEndpoint {
  return {
    realm,
    askByBasic: (username, password) =>
      askJson(http, {
        method: 'GET',
        url: tokenUrl(realm, {service, scopes, account: username, offline: true}),
        headers: {authorization: basicAuthorization(username, password)},
        signal,
      }),
    askByPasswordForm: (username, password) =>
      askJson(http, {method: 'POST', url: realm, form: passwordForm(username, password, {service, scopes}), signal}),
    askByRefreshToken: (refreshToken) =>
      askJson(http, {method: 'POST', url: realm, form: refreshTokenForm(refreshToken, {service, scopes}), signal}),
  }
}
