/** Records of a run that trusts more hosts than are remembered. */
import type {RegistryHost} from '../oci/reference.ts'
import type {RecordStore} from './store.ts'

/** The same records; the hosts of `trustedNow` are trusted as well, for as long as the store is open. */
export function createTrustingRecords(
  records: RecordStore,
  trustedNow: (registry: RegistryHost) => Promise<readonly string[]>,
): RecordStore {
  return {
    ...records,
    listTrustedHosts: async (registry) => [...new Set([...(await records.listTrustedHosts(registry)), ...(await trustedNow(registry))])],
  }
}
