/** The way to issuers of identity tokens: small documents, over connections that are judged like those to a registry. */
import type {FetchJson} from '../accounts/federation/issuer-keys.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import type {AddressPolicy} from '../core/address-policy.ts'
import {HoldfastError} from '../core/errors.ts'
import type {HttpClient} from '../http/client.ts'
import {parseRegistryHost} from '../oci/reference.ts'

/** Issuers of many tenants publish many keys. */
const MAX_KEYS_BYTES = 1024 * 1024
/** A client waits behind it. */
const ISSUER_TIMEOUT_MS = 10_000

/** What it takes of the context. */
export interface IssuerFetchContext {
  readonly signal: AbortSignal
  httpClients(mayConnect?: AddressPolicy): Promise<(endpoint: RegistryEndpoint) => HttpClient>
}

/** Gets documents of issuers elsewhere. Each has connections of its own, which lead where that issuer may send us and no further. */
export async function createIssuerFetch(context: IssuerFetchContext): Promise<FetchJson> {
  const [{askJson}, {createAddressPolicy}] = await Promise.all([import('../login/ask-json.ts'), import('../core/address-policy.ts')])
  const open = await context.httpClients(createAddressPolicy([]))
  const clients = new Map<string, HttpClient>()
  return async (url, issuer) => {
    const http =
      clients.get(issuer) ?? open({registry: parseRegistryHost(new URL(issuer).host), plainHttp: 'never', tls: {}, capabilities: {}})
    clients.set(issuer, http)
    const target = new URL(url)
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ISSUER_TIMEOUT_MS)])
    const {status, json} = await askJson(http, {method: 'GET', url: target, maxBodyBytes: MAX_KEYS_BYTES, signal})
    if (status === 200 && json !== undefined) return json
    throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot read "${target.origin}${target.pathname}": it returned ${status}`)
  }
}
