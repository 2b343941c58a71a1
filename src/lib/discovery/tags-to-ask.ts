/** Which tags of a repository a sweep asks about: one HEAD for each tag in each sweep would be most of what a registry has to do. */
import {createHash} from 'node:crypto'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import type {KnownTag} from './sweep-ports.ts'

/** How long what is known of a tag is believed when there are other, new tags that no event told of: events were lost. */
const MAX_AGE_AFTER_LOSS_MS = 5 * 60_000

export interface AskRules {
  readonly nowMs: number
  /** How long what is known of a tag is believed at most. */
  readonly maxAgeMs: number
}

/** The listed tags of a repository, by what is known of them. */
export interface SortedTags {
  /** Not in the index: to be asked first. */
  readonly unknown: readonly Tag[]
  readonly known: readonly KnownTag[]
}

export function sortTags(listed: readonly Tag[], index: readonly KnownTag[]): SortedTags {
  const byTag = new Map(index.map((known) => [known.tag, known]))
  return {
    unknown: listed.filter((tag) => !byTag.has(tag)),
    known: listed.map((tag) => byTag.get(tag)).filter((known) => known !== undefined),
  }
}

/**
 * Whether what is known of a tag is too old to be believed. Each tag has an age of its own for this, between half of `maxAgeMs` and the whole, so that tags that were all learnt in
 * one first sweep are not all asked again in one other.
 * @param hasLost whether events of this repository were lost.
 */
export function isStale(repository: RepositoryName, {tag, learntAt}: KnownTag, hasLost: boolean, {nowMs, maxAgeMs}: AskRules): boolean {
  const ageMs = nowMs - Date.parse(learntAt)
  // Learnt in the future or at no time: a clock was wrong.
  if (!(ageMs >= 0)) return true
  const earliestMs = maxAgeMs / 2
  if (hasLost && ageMs >= Math.min(MAX_AGE_AFTER_LOSS_MS, earliestMs)) return true
  return ageMs >= earliestMs && ageMs >= earliestMs * (1 + placeOf(repository, tag))
}

/** A number from 0 up to 1 that is the tag's own. */
function placeOf(repository: RepositoryName, tag: Tag): number {
  return createHash('sha256').update(`${repository}:${tag}`).digest().readUInt32BE(0) / 2 ** 32
}
