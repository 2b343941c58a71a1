/** Which TLS settings of a registry hold for which origin. */
import type {TlsSettings} from '../../http/client.ts'
import type {RegistryEndpoint} from './endpoint.ts'

/**
 * The settings for an origin (`https://host[:port]`): all of them for the registry itself; its authority alone for a host that is pinned or trusted for it, since the same people
 * run both more often than not; none for anybody else.
 */
export function tlsForOrigin(endpoint: RegistryEndpoint, origin: string): TlsSettings {
  if (origin === originOf(endpoint.apiHost ?? endpoint.registry)) return endpoint.tls
  const {pinnedHosts = [], trustedHosts = []} = endpoint
  const isPinned = [...pinnedHosts, ...trustedHosts].some((host) => origin === originOf(host))
  const {ca} = endpoint.tls
  return isPinned && ca !== undefined ? {ca} : {}
}

function originOf(host: string): string | undefined {
  return URL.parse(`https://${host}`)?.origin
}
