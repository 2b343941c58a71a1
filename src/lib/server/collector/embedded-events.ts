/** What happens at the embedded registry, as the event that a registry elsewhere would notify of. */
import type {ContentStore} from '../../content/store.ts'
import type {RegistryEvent} from '../../events/registry-event.ts'
import {isDigest} from '../../oci/digest.ts'
import {isTag} from '../../oci/reference.ts'
import {parseRoute} from '../route.ts'
import type {RequestEvent} from '../server-events.ts'

/** Undefined for a request that changes nothing that is indexed or counted. */
export async function embeddedEvent(event: RequestEvent, store: Pick<ContentStore, 'statManifest'>): Promise<RegistryEvent | undefined> {
  const {method, path, status, requestId, remoteAddress, principal} = event
  if (status >= 300 || !path.includes('/manifests/')) return undefined
  const route = parseRoute(path)
  if (route?.kind !== 'manifest') return undefined
  const {repository, reference} = route
  const facts = {
    id: requestId,
    occurredAt: new Date().toISOString(),
    repository,
    requestId,
    method,
    address: remoteAddress,
    actor: principal,
  }
  if (method === 'DELETE') {
    if (isTag(reference)) return {...facts, action: 'delete', tag: reference}
    return isDigest(reference) ? {...facts, action: 'delete', digest: reference} : undefined
  }
  if (method !== 'PUT' && method !== 'GET') return undefined
  if (!isTag(reference) && !isDigest(reference)) return undefined
  const manifest = await store.statManifest(repository, reference)
  if (manifest === undefined) return undefined
  const {digest, mediaType} = manifest
  return {...facts, action: method === 'PUT' ? 'push' : 'pull', digest, mediaType, ...(isTag(reference) ? {tag: reference} : {})}
}
