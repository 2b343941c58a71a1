/** What a registry notifies of (distribution's notifications, events v1 and v2), after every field was checked: values that may be stored, compared and shown. */
import type {Digest} from '../oci/digest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'

/** What every event says. */
export interface EventFacts {
  /** The registry's own id of it, up to 128 printable ASCII characters; the same again when it delivers the event again. */
  readonly id: string
  /** When it happened by the registry's clock: ISO 8601 in UTC, with milliseconds. */
  readonly occurredAt: string
  readonly repository: RepositoryName
  /** Shared by the events of one request: a delete is one event of the manifest and one of each tag. */
  readonly requestId?: string | undefined
  /** The method of the request, in capitals. */
  readonly method?: string | undefined
  /** `address:port` of the client, as far as the registry knows. */
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  /** The `sub` of the token that was used, or the name of the account. */
  readonly actor?: string | undefined
}

/** A manifest was pushed, or pulled; without a tag by its digest. */
export interface ManifestEvent extends EventFacts {
  readonly action: 'push' | 'pull'
  readonly digest: Digest
  readonly mediaType: string
  readonly tag?: Tag | undefined
}

/** A blob was mounted from another repository: nothing was uploaded. */
export interface MountEvent extends EventFacts {
  readonly action: 'mount'
  readonly digest: Digest
  readonly fromRepository: RepositoryName
}

/** A manifest was deleted. The event of a deleted blob looks the same: its digest is then no manifest's. */
export interface ManifestDeleteEvent extends EventFacts {
  readonly action: 'delete'
  readonly digest: Digest
}

/** A tag was deleted, by itself or with the manifest that it named. */
export interface TagDeleteEvent extends EventFacts {
  readonly action: 'delete'
  readonly tag: Tag
}

export type RegistryEvent = ManifestEvent | MountEvent | ManifestDeleteEvent | TagDeleteEvent
