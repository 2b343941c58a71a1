/** What happens at the embedded registry, as the events that a registry elsewhere would notify of. */
import type {ContentStore} from '../../content/store.ts'
import type {RegistryEvent} from '../../events/registry-event.ts'
import {isDigest} from '../../oci/digest.ts'
import {isTag} from '../../oci/reference.ts'
import {parseRoute} from '../route.ts'
import type {RequestEvent} from '../server-events.ts'

/** None for a request that changes nothing that is indexed or counted; several for a push by digest that set several tags. */
export async function embeddedEvents(event: RequestEvent, store: Pick<ContentStore, 'statManifest'>): Promise<readonly RegistryEvent[]> {
  const {method, path, status, requestId, remoteAddress, principal, tags = []} = event
  if (status >= 300 || !path.includes('/manifests/')) return []
  const route = parseRoute(path)
  if (route?.kind !== 'manifest') return []
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
    if (isTag(reference)) return [{...facts, action: 'delete', tag: reference}]
    return isDigest(reference) ? [{...facts, action: 'delete', digest: reference}] : []
  }
  if (method !== 'PUT' && method !== 'GET') return []
  if (!isTag(reference) && !isDigest(reference)) return []
  const manifest = await store.statManifest(repository, reference)
  if (manifest === undefined) return []
  const {digest, mediaType} = manifest
  const action = method === 'PUT' ? 'push' : 'pull'
  const named = (isTag(reference) ? [reference] : tags).filter(isTag)
  if (named.length === 0) return [{...facts, action, digest, mediaType}]
  return named.map((tag, position) => ({
    ...facts,
    ...(position === 0 ? {} : {id: `${requestId}/${position}`}),
    action,
    digest,
    mediaType,
    tag,
  }))
}
