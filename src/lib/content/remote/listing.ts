/** Lists that come in pages: tags and repositories (distribution-spec 1.1 §Listing Tags; distribution's catalog). */
import {HoldfastError} from '../../core/errors.ts'
import type {Access} from './authenticator.ts'
import type {RegistryResponse, RegistrySession} from './session.ts'

/** Names asked for at once. */
const PAGE_SIZE = 1000
/** Pages of one list: one of more than a million names is taken for endless. */
const MAX_PAGES = 1000
/** One page; registries that ignore `n` answer everything at once. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024

export interface Listing {
  /** `/v2/…/tags/list` or `/v2/_catalog`. */
  readonly path: string
  readonly access: Access
  /** `verb "object"` for errors. */
  readonly action: string
  /** The member of the JSON answer that holds the names. */
  readonly member: 'tags' | 'repositories'
  readonly last?: string | undefined
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Names, each once, in lexical order wherever the registry pages in that order; a page is fetched when it is needed. Goes on by `Link` where there is one, else by `last`, and stops at the first page
 * that brings nothing new: many registries ignore `n` and `last`.
 * @throws {HoldfastError} GRAPH_TOO_DEEP when the pages do not end; UNTRUSTED_HOST when the next page is elsewhere.
 */
export async function* listNames(session: RegistrySession, listing: Listing): AsyncGenerator<string, void, undefined> {
  const {path, access, action, member, last, limit = Number.POSITIVE_INFINITY, signal} = listing
  const seen = new Set<string>()
  let left = limit
  let target: string | URL = pagePath(path, last)
  for (let page = 0; left > 0; page++) {
    if (page === MAX_PAGES) throw new HoldfastError('GRAPH_TOO_DEEP', `cannot ${action}: the list has more than ${MAX_PAGES} pages`)
    const response = await session.send({method: 'GET', target, access, action, maxBodyBytes: MAX_PAGE_BYTES, signal})
    if (response.status !== 200) throw session.refusal(action, response)
    const names = readNames(response, member, action)
    const knownBefore = seen.size
    // docker-registry 2.8 answers everything at once and in no order.
    for (const name of [...names].sort()) {
      if (seen.has(name)) continue
      seen.add(name)
      // A registry that ignores `last` begins at the beginning.
      if (last !== undefined && name <= last) continue
      yield name
      if (--left <= 0) return
    }
    const next = nextPage(session, response)
    const final = names.at(-1)
    if (final === undefined || seen.size === knownBefore) return
    // A full page without a Link may be the last one or not; every other one is.
    if (next === undefined && names.length !== PAGE_SIZE) return
    target = next ?? pagePath(path, final)
  }
}

/**
 * The `Link: <…>; rel="next"` of an answer (RFC 8288), which must stay on the registry (GHSA-h7vf-4x9w-h99v).
 * @throws {HoldfastError} UNTRUSTED_HOST
 */
export function nextPage(session: RegistrySession, {headers, url}: RegistryResponse): URL | undefined {
  for (const [, target, parameters] of (headers.link ?? '').matchAll(/<([^>]*)>((?:[^,"]|"[^"]*")*)/g))
    if (target !== undefined && /;\s*rel\s*=\s*(?:next\b|"(?:[^"]*\s)?next[\s"])/i.test(parameters ?? ''))
      return session.trusted(target, url, 'next page')
  return undefined
}

function pagePath(path: string, last: string | undefined): string {
  return `${path}?n=${PAGE_SIZE}${last === undefined ? '' : `&last=${encodeURIComponent(last)}`}`
}

function readNames({body}: RegistryResponse, member: Listing['member'], action: string): readonly string[] {
  const names = memberOf(body, member)
  // Some registries answer `null` for an empty list.
  if (names === null) return []
  if (!Array.isArray(names)) throw new HoldfastError('UNSUPPORTED', `cannot ${action}: the answer is not a list of ${member}`)
  return names.filter((name): name is string => typeof name === 'string')
}

function memberOf(body: Buffer, member: string): unknown {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return typeof json === 'object' && json !== null ? Reflect.get(json, member) : undefined
  } catch {
    return undefined
  }
}
