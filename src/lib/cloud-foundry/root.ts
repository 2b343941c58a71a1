/** The root of a foundation: where its login server and its network policies are (`GET /`, without a token). */
import {HoldfastError} from '../core/errors.ts'
import {textAt, valueAt} from './fields.ts'
import {type CloudFoundryNetwork, foundationHints} from './uaa.ts'

export interface FoundationLinks {
  readonly login: string
  readonly networkPolicy?: string
}

/** @throws {HoldfastError} UNSUPPORTED when no foundation answers there, or it wants credentials of Kubernetes; NETWORK, TIMEOUT, TLS. */
export async function readLinks(
  api: URL,
  insecure: boolean,
  {proxyFor, ca, signal, userAgent, onExchange}: CloudFoundryNetwork,
): Promise<FoundationLinks> {
  const {requestJson} = await import('../http/json-client.ts')
  const {status, json} = await requestJson({
    method: 'GET',
    url: new URL('/', api),
    headers: userAgent === undefined ? {} : {'user-agent': userAgent},
    tls: {insecure, ...(ca === undefined ? {} : {ca})},
    proxy: proxyFor?.(api),
    hints: foundationHints(api),
    signal,
    onExchange,
  })
  const unusable = (reason: string): HoldfastError =>
    new HoldfastError('UNSUPPORTED', `cannot use "${api.origin}" as Cloud Foundry: ${reason}`, {hints: [`curl ${api.origin}/`]})
  if (status !== 200 || textAt(json, 'links', 'cloud_controller_v3', 'href') === undefined) throw unusable('its root names no API v3')
  // What counts is the flag and not the product: it can be there and false.
  if (valueAt(json, 'cf_on_k8s') === true) throw unusable('it wants credentials of Kubernetes')
  const login = textAt(json, 'links', 'login', 'href') ?? textAt(json, 'links', 'uaa', 'href')
  if (login === undefined) throw unusable('it names no login server')
  const networkPolicy = textAt(json, 'links', 'network_policy_v1', 'href')
  return {login, ...(networkPolicy === undefined ? {} : {networkPolicy})}
}
