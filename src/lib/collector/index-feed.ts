/** The collector's store as events and sweeps want it. */
import type {SweepIndex} from '../discovery/sweep-ports.ts'
import {type IndexChange, indexChange} from '../events/index-changes.ts'
import type {EventIndex, EventLog} from '../events/record-events.ts'
import type {RegistryEvent} from '../events/registry-event.ts'
import {found} from './api/operation.ts'
import {isProven} from './registry-place.ts'
import type {CollectorStore, LoggedEvent} from './store.ts'

/** The subject of the collector's own tokens: no user can be called so. */
export const OWN_ACTOR = '#collector'

/** Where events go; registries by their names. */
export function createEventFeed(store: CollectorStore): {readonly log: EventLog; readonly index: EventIndex} {
  return {
    log: {
      async append(name, events) {
        const registry = found(await store.findManagedRegistry({name}), 'registry', name)
        const changes = new Map<string, IndexChange>()
        // What is not proven is kept in the log, and changes nothing: the next sweep finds what it was about.
        for (const event of isProven(registry) ? events : []) {
          const change = indexChange(event)
          if (change !== undefined) changes.set(event.id, change)
        }
        return await store.appendEvents(registry.id, events.map(toLogged), changes)
      },
    },
    // The log has changed the index already, in the same transaction: whoever is killed in between has both or neither.
    index: {apply: async () => {}},
  }
}

/** The index of one registry, as a sweep fills it. */
export function createSweepIndex(store: CollectorStore, registryId: number): SweepIndex {
  return {
    knownTags: (repository) => store.knownTags(registryId, repository),
    note: (sighting) => store.noteSighting(registryId, sighting),
    purge: (before) => store.purgeUnseen(registryId, before),
  }
}

function toLogged(event: RegistryEvent): LoggedEvent {
  const {id, occurredAt, action, repository, address, userAgent, actor} = event
  return {
    eventId: id,
    occurredAt,
    action,
    repository,
    tag: 'tag' in event ? event.tag : undefined,
    digest: 'digest' in event ? event.digest : undefined,
    mediaType: 'mediaType' in event ? event.mediaType : undefined,
    actor,
    address,
    userAgent,
  }
}
