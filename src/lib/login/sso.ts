/** Single sign-on: whoever has logged in at his identity provider gets an identity token of the collector for it (RFC 8693), and no password is typed here. */
import {readJwtClaims} from '../auth/jwt-claims.ts'
import {tokenExchangeForm} from '../auth/token-request.ts'
import {decodeTokenFields} from '../auth/token-response.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import {Secret} from '../core/secret.ts'
import {probeRegistry} from '../registries/probe.ts'
import {agreeOnRealm, trusting} from '../registries/realm-consent.ts'
import type {RegistrySubject} from '../registries/subject.ts'
import {askJson} from './ask-json.ts'
import {type LoginAttempt, loginFailure, loginRefusal} from './attempt.ts'
import {type DeviceCode, findIdentityProvider, logInByDevice} from './identity-provider.ts'
import type {LoginDependencies} from './log-in.ts'
import type {LoginNetwork} from './token-endpoint.ts'

export interface SignOnRequest {
  readonly endpoint: RegistryEndpoint
  readonly subject: RegistrySubject
  /** Which of several providers. */
  readonly provider?: string | undefined
  /** Told once what somebody has to do. */
  readonly show: (code: DeviceCode) => void
}

export type SignOnNetwork = LoginNetwork & Pick<LoginDependencies, 'confirmRealm'>

/** Who has signed on; the token is good for the registry, and not proven yet. */
export interface SignedOn {
  readonly account: string
  readonly identityToken: Secret
  /** With the hosts that the user has trusted meanwhile. */
  readonly endpoint: RegistryEndpoint
}

/**
 * Signs on to a registry whose token endpoint is a collector's.
 * @throws {HoldfastError} UNSUPPORTED when the registry or its endpoint offers no such login; UNAUTHENTICATED when the collector does not take who has logged in; DENIED,
 * TIMEOUT from the provider; else as `logIn`.
 */
export async function signOn(request: SignOnRequest, network: SignOnNetwork): Promise<SignedOn> {
  const {endpoint, subject, provider, show} = request
  const attempt: LoginAttempt = {
    registry: endpoint.registry,
    account: provider ?? 'single sign-on',
    secretKind: 'identity-token',
  }
  const http = network.openHttp(endpoint)
  try {
    const probe = await probeRegistry(endpoint, subject, http, network)
    if (probe.authScheme !== 'bearer') throw loginFailure(attempt, 'UNSUPPORTED', 'it has no token endpoint to sign on at')
    const {realm, newlyTrusted} = await agreeOnRealm(probe.realm, probe.base, endpoint, {confirm: network.confirmRealm})
    if (newlyTrusted !== undefined) return await signOn({...request, endpoint: trusting(endpoint, newlyTrusted)}, network)
    const {signal} = network
    // The provider is somebody else: the client knows what is set for the registry, and that it does not hold for others.
    const ask: Parameters<typeof findIdentityProvider>[2]['request'] = (call) => askJson(http, {...call, signal})
    const chosen = await findIdentityProvider(realm, provider, {request: ask, signal})
    const idToken = await logInByDevice(chosen, show, {request: ask, signal})
    const answer = await ask({method: 'POST', url: realm, form: tokenExchangeForm(idToken.reveal(), probe.service)})
    if (answer.status !== 200) throw loginRefusal(attempt, realm, answer)
    const token = decodeTokenFields(answer.json, Date.now())
    const account = token === undefined ? undefined : readJwtClaims(token.token)?.sub
    if (token?.refreshToken === undefined || typeof account !== 'string') {
      throw loginFailure(attempt, 'NO_IDENTITY_TOKEN', `${realm.host} gives no identity token for the one of ${chosen.name}`)
    }
    return {account, identityToken: new Secret(token.refreshToken), endpoint}
  } finally {
    http.close()
  }
}
