/** Managed registries as sources of sweeps: the embedded one is read where it lies, the others with tokens that are minted here. */
import {CATALOG_SCOPE, repositoryScope} from '../auth/scope.ts'
import {EMBEDDED_REGISTRY, type ManagedRegistry} from '../collector/objects.ts'
import type {MintToken} from '../collector/own-tokens.ts'
import type {ProbeRegistry} from '../collector/trust-check.ts'
import type {RegistryEndpoint} from '../content/remote/endpoint.ts'
import type {AddressPolicy} from '../core/address-policy.ts'
import type {SweepSource} from '../discovery/sweep-ports.ts'
import type {HttpClient} from '../http/client.ts'
import type {RegistryStore} from '../records/store.ts'

/** What it takes of the context. */
export interface SweepContext {
  readonly signal: AbortSignal
  openEmbedded(): Promise<SweepSource>
  records(): Promise<RegistryStore>
  httpClients(mayConnect?: AddressPolicy): Promise<(endpoint: RegistryEndpoint) => HttpClient>
}

/** A sweep has time; a registry that asks to slow down is left alone until the next one. */
const RATE_LIMIT_WAIT_MS = 10_000

/** @param mayConnect judges every address that a registry leads to. */
export async function openSweepSource(
  context: SweepContext,
  registry: ManagedRegistry,
  mint: MintToken,
  mayConnect: AddressPolicy,
): Promise<SweepSource> {
  if (registry.name === EMBEDDED_REGISTRY) return await context.openEmbedded()
  const [{createRegistrySource}, {RegistrySession}, endpoint, openHttp] = await Promise.all([
    import('../discovery/registry-source.ts'),
    import('../content/remote/session.ts'),
    endpointOf(context, registry),
    context.httpClients(mayConnect),
  ])
  const session = new RegistrySession({
    endpoint,
    http: openHttp(endpoint),
    // Nothing that the registry says of realms is followed: the collector is the authority.
    credentials: async (_host, repository) => ({
      kind: 'registry-token',
      token: await mint([repository === undefined ? CATALOG_SCOPE : repositoryScope(repository, 'pull')]),
    }),
    rateLimitWaitMs: RATE_LIMIT_WAIT_MS,
  })
  return createRegistrySource(session)
}

/** Single requests to a managed registry, which lead nowhere else. */
export async function openProbe(context: SweepContext, registry: ManagedRegistry, mayConnect: AddressPolicy): Promise<ProbeRegistry> {
  const [endpoint, openHttp] = await Promise.all([endpointOf(context, registry), context.httpClients(mayConnect)])
  const http = openHttp(endpoint)
  return async (path, token) => {
    const headers = token === undefined ? {} : {authorization: `Bearer ${token}`}
    const {status, headers: answered} = await http.request({
      method: 'GET',
      url: new URL(path, registry.url),
      headers,
      signal: context.signal,
    })
    return {status, headers: answered}
  }
}

/** How a managed registry is reached. */
export async function endpointOf(context: Pick<SweepContext, 'records'>, registry: ManagedRegistry): Promise<RegistryEndpoint> {
  const [{parseRegistryUrl}, {findHostEndpoint}, records] = await Promise.all([
    import('../registries/registry-url.ts'),
    import('../registries/find.ts'),
    context.records(),
  ])
  const {host, scheme} = parseRegistryUrl(registry.url)
  const endpoint = await findHostEndpoint(records, host, {insecure: registry.insecure, plainHttp: scheme === 'http'})
  // Whoever manages a registry at the collector has not been asked where it may send us: nowhere.
  return {...endpoint, pinnedHosts: endpoint.pinnedHosts ?? []}
}
