/** Notifications of a registry: the body of its POST to events (distribution docs, about/notifications). */
import {MEDIA_TYPE} from '../oci/media-types.ts'
import {
  memberOf,
  readActor,
  readDescription,
  readDigest,
  readId,
  readMediaType,
  readMethod,
  readRepository,
  readTag,
  readTimestamp,
} from './notification-fields.ts'
import type {EventFacts, ManifestDeleteEvent, ManifestEvent, MountEvent, RegistryEvent, TagDeleteEvent} from './registry-event.ts'

/** Bytes of one body; registries send one event, or a few, of less than 2 KB each. */
export const MAX_NOTIFICATION_BYTES = 1024 * 1024

/** What registries send: v1 is distribution 2, v2 is distribution 3; the events are the same. */
const NOTIFICATION_TYPES: readonly string[] = [
  'application/vnd.docker.distribution.events.v1+json',
  'application/vnd.docker.distribution.events.v2+json',
]
const ACTIONS: readonly string[] = ['push', 'pull', 'mount', 'delete']
const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerManifest,
  MEDIA_TYPE.dockerManifestList,
  MEDIA_TYPE.dockerSchema1,
  MEDIA_TYPE.dockerSchema1Signed,
])

/** The events of one body, in its order, and how many were left out and why. */
export interface DecodedNotifications {
  readonly events: readonly RegistryEvent[]
  /** Pushes and pulls of blobs: an image is told of by its manifest. */
  readonly blobs: number
  /** Events of an action that is not ours to know. */
  readonly unknownActions: number
  /** Events with a field that is missing or wrong; 1 for a body that is no list of events at all. */
  readonly malformed: number
}

/**
 * Decodes the body of a notification. Never throws: a registry repeats what is refused for ever, in order and before everything else, so that one poisoned event would block all
 * later ones; what cannot be read is counted instead, and the answer should be 202.
 * @param contentType the request's `Content-Type`; parameters are ignored.
 * @param body up to `MAX_NOTIFICATION_BYTES`, a longer one counts as malformed.
 */
export function decodeNotifications(contentType: string | undefined, body: Uint8Array): DecodedNotifications {
  const listed = isNotificationType(contentType) ? memberOf(parseBody(body), 'events') : undefined
  if (!Array.isArray(listed)) return {events: [], blobs: 0, unknownActions: 0, malformed: 1}
  const events: RegistryEvent[] = []
  const leftOut = {blob: 0, 'unknown-action': 0, malformed: 0}
  for (const value of listed) {
    const decoded = decodeEvent(value)
    if (typeof decoded === 'string') leftOut[decoded]++
    else events.push(decoded)
  }
  return {events, blobs: leftOut.blob, unknownActions: leftOut['unknown-action'], malformed: leftOut.malformed}
}

function isNotificationType(contentType: string | undefined): boolean {
  return NOTIFICATION_TYPES.includes(contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '')
}

function parseBody(body: Uint8Array): unknown {
  if (body.length > MAX_NOTIFICATION_BYTES) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(body))
  } catch {
    return undefined
  }
}

function decodeEvent(value: unknown): RegistryEvent | 'blob' | 'unknown-action' | 'malformed' {
  const action = memberOf(value, 'action')
  if (typeof action !== 'string') return 'malformed'
  if (!ACTIONS.includes(action)) return 'unknown-action'
  const target = memberOf(value, 'target')
  const facts = decodeFacts(value, target)
  if (facts === undefined) return 'malformed'
  if (action === 'mount') return decodeMount(facts, target)
  if (action === 'delete') return decodeDelete(facts, target)
  return decodeManifest(facts, action === 'push' ? 'push' : 'pull', target)
}

function decodeManifest(facts: EventFacts, action: 'push' | 'pull', target: unknown): ManifestEvent | 'blob' | 'malformed' {
  const mediaType = readOptional(memberOf(target, 'mediaType'), readMediaType)
  const tag = readOptional(memberOf(target, 'tag'), readTag)
  if (tag === null || mediaType === null) return 'malformed'
  if (tag === undefined && (mediaType === undefined || !MANIFEST_TYPES.has(mediaType))) return 'blob'
  const digest = readDigest(memberOf(target, 'digest'))
  if (digest === undefined || mediaType === undefined) return 'malformed'
  return {...facts, action, digest, mediaType, tag}
}

function decodeMount(facts: EventFacts, target: unknown): MountEvent | 'malformed' {
  const digest = readDigest(memberOf(target, 'digest'))
  const fromRepository = readRepository(memberOf(target, 'fromRepository'))
  return digest === undefined || fromRepository === undefined ? 'malformed' : {...facts, action: 'mount', digest, fromRepository}
}

/** The event of a tag has no digest: the manifest may be there still. */
function decodeDelete(facts: EventFacts, target: unknown): ManifestDeleteEvent | TagDeleteEvent | 'malformed' {
  const tag = readOptional(memberOf(target, 'tag'), readTag)
  if (tag === null) return 'malformed'
  if (tag !== undefined) return {...facts, action: 'delete', tag}
  const digest = readDigest(memberOf(target, 'digest'))
  return digest === undefined ? 'malformed' : {...facts, action: 'delete', digest}
}

function decodeFacts(value: unknown, target: unknown): EventFacts | undefined {
  const id = readId(memberOf(value, 'id'))
  const occurredAt = readTimestamp(memberOf(value, 'timestamp'))
  const repository = readRepository(memberOf(target, 'repository'))
  // An actor that cannot be compared must not pass for none.
  const actor = readOptional(memberOf(memberOf(value, 'actor'), 'name'), readActor)
  if (id === undefined || occurredAt === undefined || repository === undefined || actor === null) return undefined
  const request = memberOf(value, 'request')
  return {
    id,
    occurredAt,
    repository,
    requestId: readId(memberOf(request, 'id')),
    method: readMethod(memberOf(request, 'method')),
    address: readDescription(memberOf(request, 'addr')),
    userAgent: readDescription(memberOf(request, 'useragent')),
    actor,
  }
}

/** A field that may be absent, which Go writes as an empty string or not at all: undefined when it is, null when it is there and wrong. */
function readOptional<T>(value: unknown, read: (value: unknown) => T | undefined): T | undefined | null {
  return value === undefined || value === null || value === '' ? undefined : (read(value) ?? null)
}
