/** The token endpoint of registries that a collector is the authority of is the collector's: it may have their credentials. */
import type {ManagedRegistry} from '../collector/objects.ts'
import {HoldfastError} from '../core/errors.ts'
import type {RegistryHost} from '../oci/reference.ts'
import type {RegistryStore} from '../records/store.ts'
import {parseRegistryUrl} from '../registries/registry-url.ts'

/** Remembers that the collector at `collector` may have the credentials of each of these registries; returns those of the registries that are elsewhere. */
export async function trustCollector(
  records: Pick<RegistryStore, 'trustHost'>,
  collector: RegistryHost,
  registries: readonly Pick<ManagedRegistry, 'url'>[],
): Promise<readonly RegistryHost[]> {
  const elsewhere = registries.map(({url}) => parseRegistryUrl(url).host).filter((host) => host !== collector)
  for (const registry of elsewhere) await records.trustHost(registry, collector, 'collector')
  return elsewhere
}

/** Forgets that a collector may have the credentials of a registry, which it manages no longer. */
export async function distrustCollector(records: Pick<RegistryStore, 'distrustHosts'>, {url}: Pick<ManagedRegistry, 'url'>): Promise<void> {
  await records.distrustHosts(parseRegistryUrl(url).host, 'collector')
}

/**
 * Makes what tells the hosts that a collector named for this run is trusted at: its own, for each registry that it manages. It is asked once, when a registry is first
 * reached; `onFailure` is told why it did not answer, and nothing is trusted then.
 */
export function createCollectorTrust(
  url: string,
  listManaged: () => Promise<readonly Pick<ManagedRegistry, 'url'>[]>,
  onFailure: (error: HoldfastError, collector: string) => void,
): (registry: RegistryHost) => Promise<readonly string[]> {
  let managed: Promise<ReadonlySet<RegistryHost>> | undefined
  const ask = async (): Promise<ReadonlySet<RegistryHost>> => {
    try {
      return new Set((await listManaged()).map((registry) => parseRegistryUrl(registry.url).host))
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
      onFailure(error, url)
      return new Set()
    }
  }
  return async (registry) => {
    const {host} = parseRegistryUrl(url)
    if (registry === host) return []
    managed ??= ask()
    return (await managed).has(registry) ? [host] : []
  }
}
