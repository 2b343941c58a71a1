/** Single sign-on: whoever has logged in at his identity provider gets an identity token of the collector for it (RFC 8693), and no password is typed here. */
import {readJwtClaims} from '../auth/jwt-claims.ts'
import {tokenExchangeForm} from '../auth/token-request.ts'
import {decodeTokenFields} from '../auth/token-response.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {tlsForOrigin} from '../content/remote/endpoint-tls.ts'
import {trustedRealm} from '../content/remote/trust.ts'
import {Secret} from '../core/secret.ts'
import {probeRegistry} from '../registries/probe.ts'
import type {RegistrySubject} from '../registries/subject.ts'
import {type LoginAttempt, loginFailure, loginRefusal} from './attempt.ts'
import {type DeviceCode, findIdentityProvider, logInByDevice} from './identity-provider.ts'
import type {LoginNetwork} from './token-endpoint.ts'

export interface SignOnRequest {
  readonly endpoint: RegistryEndpoint
  readonly subject: RegistrySubject
  /** Which of several providers. */
  readonly provider?: string | undefined
  /** Told once what somebody has to do. */
  readonly show: (code: DeviceCode) => void
}

/** Who has signed on; the token is good for the registry, and not proven yet. */
export interface SignedOn {
  readonly account: string
  readonly identityToken: Secret
}

/**
 * Signs on to a registry whose token endpoint is a collector's.
 * @throws {HoldfastError} UNSUPPORTED when the registry or its endpoint offers no such login; UNAUTHENTICATED when the collector does not take who has logged in; DENIED,
 * TIMEOUT from the provider; else as `logIn`.
 */
export async function signOn({endpoint, subject, provider, show}: SignOnRequest, network: LoginNetwork): Promise<SignedOn> {
  const attempt: LoginAttempt = {
    registry: endpoint.registry,
    account: provider ?? 'single sign-on',
    secretKind: 'identity-token',
  }
  const http = network.openHttp(endpoint)
  try {
    const probe = await probeRegistry(endpoint, subject, http, network)
    if (probe.authScheme !== 'bearer') throw loginFailure(attempt, 'UNSUPPORTED', 'it has no token endpoint to sign on at')
    const realm = trustedRealm(probe.realm, probe.base, endpoint)
    const {requestJson} = await import('../http/json-client.ts')
    const {proxyFor, signal, userAgent, onExchange} = network
    const request: Parameters<typeof findIdentityProvider>[2]['request'] = (call) =>
      requestJson({
        ...call,
        headers: userAgent === undefined ? {} : {'user-agent': userAgent},
        // The provider is somebody else: what is set for the registry does not hold for it.
        tls: tlsForOrigin(endpoint, call.url.origin),
        proxy: proxyFor?.(call.url),
        signal,
        onExchange,
      })
    const chosen = await findIdentityProvider(realm, provider, {request, signal})
    const idToken = await logInByDevice(chosen, show, {request, signal})
    const answer = await request({method: 'POST', url: realm, form: tokenExchangeForm(idToken.reveal(), probe.service)})
    if (answer.status !== 200) throw loginRefusal(attempt, realm, answer)
    const token = decodeTokenFields(answer.json, Date.now())
    const account = token === undefined ? undefined : readJwtClaims(token.token)?.sub
    if (token?.refreshToken === undefined || typeof account !== 'string') {
      throw loginFailure(attempt, 'NO_IDENTITY_TOKEN', `${realm.host} gives no identity token for the one of ${chosen.name}`)
    }
    return {account, identityToken: new Secret(token.refreshToken)}
  } finally {
    http.close()
  }
}
