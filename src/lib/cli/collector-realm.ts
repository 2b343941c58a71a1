/** The token endpoint of registries that a collector is the authority of is the collector's: it may have their credentials. */
import type {ManagedRegistry} from '../collector/objects.ts'
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
  for (const registry of elsewhere) await records.trustHost(registry, collector)
  return elsewhere
}
