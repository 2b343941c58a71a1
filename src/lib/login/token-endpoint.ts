/** A registry's token endpoint as a login asks it. Secrets go to its realm and nowhere else: no redirect is followed, nothing is tried twice. */
import {basicAuthorization} from '../auth/basic.ts'
import {passwordForm, refreshTokenForm, tokenUrl} from '../auth/token-request.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {tlsForOrigin} from '../content/remote/endpoint-tls.ts'
import {trustedRealm} from '../content/remote/trust.ts'
import type {JsonRequest, JsonResponse} from '../http/json-client.ts'
import type {RegistryNetwork, RegistryProbe} from '../registries/probe.ts'

/** The way to registries and to their token endpoints. */
export interface LoginNetwork extends RegistryNetwork {
  readonly userAgent?: string | undefined
  /** Told of each request to a token endpoint, without its query, headers and body. */
  readonly onExchange?: JsonRequest['onExchange']
}

/** Every status is an ordinary answer. Rejects with NETWORK, TIMEOUT, TLS, PLAIN_HTTP, INTERRUPTED, INTEGRITY. */
export interface TokenEndpoint {
  readonly realm: URL
  /** Asks for an access and a refresh token by GET (distribution's token authentication). */
  askByBasic(username: string, password: string): Promise<JsonResponse>
  /** The same by the OAuth 2 form, which not every endpoint offers. */
  askByPasswordForm(username: string, password: string): Promise<JsonResponse>
  /** Exchanges a refresh token for an access token. */
  askByRefreshToken(refreshToken: string): Promise<JsonResponse>
}

/**
 * The token endpoint that the registry named when it was probed. Where it is another host, it gets neither the registry's client certificate nor its exemptions.
 * @throws {HoldfastError} UNTRUSTED_HOST when the realm is not acceptable.
 */
export function createTokenEndpoint(
  endpoint: RegistryEndpoint,
  {base, realm: realmText, service}: Pick<RegistryProbe, 'base' | 'realm' | 'service'>,
  {proxyFor, signal, userAgent, onExchange}: LoginNetwork,
): TokenEndpoint {
  const realm = trustedRealm(realmText, base, endpoint)
  const tls = tlsForOrigin(endpoint, realm.origin)
  const ask = async ({url, headers, ...request}: Pick<JsonRequest, 'method' | 'url' | 'headers' | 'form'>): Promise<JsonResponse> => {
    const {requestJson} = await import('../http/json-client.ts')
    return requestJson({
      ...request,
      url,
      headers: {...headers, ...(userAgent === undefined ? {} : {'user-agent': userAgent})},
      tls,
      proxy: proxyFor?.(url),
      signal,
      onExchange,
    })
  }
  return {
    realm,
    askByBasic: (username, password) =>
      ask({
        method: 'GET',
        url: tokenUrl(realm, {service, scopes: [], account: username, offline: true}),
        headers: {authorization: basicAuthorization(username, password)},
      }),
    askByPasswordForm: (username, password) => ask({method: 'POST', url: realm, form: passwordForm(username, password, service)}),
    askByRefreshToken: (refreshToken) => ask({method: 'POST', url: realm, form: refreshTokenForm(refreshToken, {service, scopes: []})}),
  }
}
