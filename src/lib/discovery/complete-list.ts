/** A list of a registry, read to its end or not at all: whoever deletes what is not in it must not take a part for the whole. */

import type {Access} from '../content/remote/authenticator.ts'
import {PageTrail} from '../content/remote/listing.ts'
import type {RegistryResponse, RegistrySession} from '../content/remote/session.ts'
import {HoldfastError} from '../core/errors.ts'

/** One page: 1000 names of 255 characters fit well; registries that ignore `n` answer everything at once. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024
/** Names of one list; all of them are kept until it ends, to tell pages that repeat. */
const MAX_NAMES = 1_000_000

export interface CompleteList {
  /** `/v2/…/tags/list` or `/v2/_catalog`. */
  readonly path: string
  readonly access: Access
  /** `verb "object"` for errors. */
  readonly action: string
  /** The member of the JSON answer that holds the names. */
  readonly member: 'tags' | 'repositories'
  /** Names asked for at once. */
  readonly pageSize: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Names, each once, in the registry's order; a page is fetched when it is needed. Follows `Link`, and where a full page has none asks once more after its last name.
 * It ends only where the registry says that its list does: at a page without a `Link` that is not full, or that repeats what is known. Everything else is an error.
 * A registry that cuts pages short and gives no `Link` cannot be told from one that has no more.
 *
 * A registry may be configured to refuse pages of this size: its own size is then taken.
 * @throws {RegistryError} when a page is refused.
 * @throws {HoldfastError} UNSUPPORTED when a response does not hold a list; PARTIAL when its pages go in circles; GRAPH_TOO_DEEP for more than a million names.
 */
export async function* readCompleteList(session: RegistrySession, list: CompleteList): AsyncGenerator<string, void, undefined> {
  const {path, access, action, member, signal} = list
  const seen = new Set<string>()
  const pages = new PageTrail({path, action, pageSize: list.pageSize})
  for (;;) {
    const response = await session.send({method: 'GET', target: pages.target, access, action, maxBodyBytes: MAX_PAGE_BYTES, signal})
    if (pages.avoid(response)) continue
    if (response.status !== 200) throw session.refusal(action, response)
    const names = readNames(response, member, action)
    const knownBefore = seen.size
    for (const name of names) {
      if (seen.has(name)) continue
      if (seen.size === MAX_NAMES) throw new HoldfastError('GRAPH_TOO_DEEP', `cannot ${action}: the list has more than ${MAX_NAMES} names`)
      seen.add(name)
      yield name
    }
    if (!pages.advance(response, names, seen.size > knownBefore)) return
  }
}

function readNames({body}: RegistryResponse, member: CompleteList['member'], action: string): readonly string[] {
  const names = memberOf(body, member)
  // What distribution answers for a repository that has lost all of its tags; a catalog is never null.
  if (names === null && member === 'tags') return []
  if (!isNameList(names)) throw new HoldfastError('UNSUPPORTED', `cannot ${action}: the answer is not a list of ${member}`)
  return names
}

function isNameList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function memberOf(body: Buffer, member: string): unknown {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return typeof json === 'object' && json !== null ? Reflect.get(json, member) : undefined
  } catch {
    return undefined
  }
}
