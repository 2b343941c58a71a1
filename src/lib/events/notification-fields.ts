/** The fields of a notification, each checked and bounded: whoever has a registry's secret may send anything, and what is stored here is shown to people later. */
import {type Digest, isDigest} from '../oci/digest.ts'
import {isRepositoryName, isTag, type RepositoryName, type Tag} from '../oci/reference.ts'

/** Characters of an event's or a request's id; registries send UUIDs. */
const ID = /^[\x21-\x7e]{1,128}$/
const METHOD = /^[A-Z]{1,16}$/
/** RFC 6838 §4.2, in lower case or not. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/
/** RFC 3339 with up to nanoseconds, as Go writes it. */
const TIMESTAMP = /^((?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})$/
/** Characters of the name of an actor. */
const MAX_ACTOR_LENGTH = 255
/** Characters kept of a text that only describes. */
const MAX_DESCRIPTION_LENGTH = 256
/** What breaks lines, hides text or ends strings: controls, separators and the marks that turn the direction of writing. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const EVERY_UNSHOWABLE = new RegExp(UNSHOWABLE, 'gu')

/** A member of a JSON object that is its own; undefined for everything else. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}

export function readId(value: unknown): string | undefined {
  return typeof value === 'string' && ID.test(value) ? value : undefined
}

export function readMethod(value: unknown): string | undefined {
  return typeof value === 'string' && METHOD.test(value) ? value : undefined
}

export function readMediaType(value: unknown): string | undefined {
  return typeof value === 'string' && MEDIA_TYPE.test(value) ? value.toLowerCase() : undefined
}

export function readDigest(value: unknown): Digest | undefined {
  return typeof value === 'string' && isDigest(value) ? value : undefined
}

export function readRepository(value: unknown): RepositoryName | undefined {
  return typeof value === 'string' && isRepositoryName(value) ? value : undefined
}

export function readTag(value: unknown): Tag | undefined {
  return typeof value === 'string' && isTag(value) ? value : undefined
}

/** RFC 3339 to ISO 8601 in UTC with milliseconds. */
export function readTimestamp(value: unknown): string | undefined {
  const [, seconds, fraction = '', zone] = typeof value === 'string' ? (TIMESTAMP.exec(value) ?? []) : []
  if (seconds === undefined || zone === undefined) return undefined
  const at = Date.parse(`${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`)
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

/** A name that is compared with others: taken as it is, or not at all. */
export function readActor(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > MAX_ACTOR_LENGTH) return undefined
  return value.isWellFormed() && !UNSHOWABLE.test(value) ? value : undefined
}

/** A text for people to read: cut, and each character that cannot be shown on one line replaced by U+FFFD. */
export function readDescription(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  // Cut first: the longest text there is must not cost more than the longest that is kept.
  return value.slice(0, MAX_DESCRIPTION_LENGTH).toWellFormed().replace(EVERY_UNSHOWABLE, '\uFFFD')
}
