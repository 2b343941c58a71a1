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

/** Some registries filter after they have paged, so that pages come empty. */
const MAX_PAGES_WITHOUT_NEWS = 100
const HTTP_BAD_REQUEST = 400
const HTTP_NOT_FOUND = 404
/** One target of a `Link`, and its parameters. */
const LINK = /(?:<([^>]*)>|([^\s,;<>"]+))((?:\s*;(?:[^,"]|"[^"]*")*)?)/g

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
 * without a `Link` that brings nothing new: many registries ignore `n` and `last`.
 * @throws {HoldfastError} GRAPH_TOO_DEEP when the pages do not end; PARTIAL, after the names that came, when they go in circles.
 */
export async function* listNames(session: RegistrySession, listing: Listing): AsyncGenerator<string, void, undefined> {
  const {path, access, action, member, last, limit = Number.POSITIVE_INFINITY, signal} = listing
  const seen = new Set<string>()
  let left = limit
  const pages = new PageTrail({path, action, pageSize: PAGE_SIZE, last})
  for (let page = 0; left > 0; page++) {
    if (page === MAX_PAGES) throw new HoldfastError('GRAPH_TOO_DEEP', `cannot ${action}: the list has more than ${MAX_PAGES} pages`)
    const response = await session.send({method: 'GET', target: pages.target, access, action, maxBodyBytes: MAX_PAGE_BYTES, signal})
    if (pages.avoid(response)) continue
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
    if (!pages.advance(response, names, seen.size > knownBefore)) return
  }
}

/** The way from page to page of one list, on the registry's own origin. */
export class PageTrail {
  readonly #list: Pick<Listing, 'path' | 'action' | 'last'>
  /** Undefined once the registry has refused it. */
  #pageSize: number | undefined
  #target: string
  readonly #visited = new Set<string>()
  /** Of the page at `target`, when a `Link` named it: where the list goes on if the registry has no such page. */
  #last: string | undefined
  #isByLink = false
  #hasBadLinks = false
  #pagesWithoutNews = 0

  constructor(list: Pick<Listing, 'path' | 'action' | 'last'> & {readonly pageSize: number}) {
    this.#list = list
    this.#pageSize = list.pageSize
    this.#target = this.#pageAfter(list.last)
    this.#visited.add(this.#target)
  }

  /** Path and query of the page to ask for. */
  get target(): string {
    return this.#target
  }

  /** Finds another target for a page that the registry refused: without a size that it does not take, or by `last` where its `Link` leads to nothing. */
  avoid({status}: RegistryResponse): boolean {
    if (status === HTTP_BAD_REQUEST && this.#visited.size === 1 && this.#pageSize !== undefined) {
      this.#pageSize = undefined
      this.#target = this.#pageAfter(this.#list.last)
      return true
    }
    if (status !== HTTP_NOT_FOUND || !this.#isByLink || this.#last === undefined) return false
    this.#hasBadLinks = true
    this.#isByLink = false
    this.#target = this.#pageAfter(this.#last)
    return true
  }

  /**
   * Goes on to the next page; false at the end of the list.
   * @throws {HoldfastError} PARTIAL when the pages go in circles, or too many in a row bring nothing new.
   */
  advance(response: RegistryResponse, names: readonly string[], hasNews: boolean): boolean {
    const link = nextPage(response)
    // A full page without a Link may be the last one or not; every other one is.
    if (link === undefined && (!hasNews || names.length !== this.#pageSize)) return false
    this.#last = (link === undefined ? undefined : new URLSearchParams(link.split('?')[1]).get('last')) ?? names.at(-1) ?? this.#last
    this.#isByLink = link !== undefined && !this.#hasBadLinks
    this.#target = link !== undefined && this.#isByLink ? link : this.#pageAfter(this.#last)
    this.#pagesWithoutNews = hasNews ? 0 : this.#pagesWithoutNews + 1
    if (this.#visited.has(this.#target) || this.#pagesWithoutNews > MAX_PAGES_WITHOUT_NEWS) {
      throw new HoldfastError('PARTIAL', `cannot ${this.#list.action}: its pages go in circles, so that the list is incomplete`, {
        details: {path: this.#target},
      })
    }
    this.#visited.add(this.#target)
    return true
  }

  #pageAfter(last: string | undefined): string {
    const query = new URLSearchParams()
    if (this.#pageSize !== undefined) query.set('n', String(this.#pageSize))
    if (last !== undefined) query.set('last', last)
    return query.size === 0 ? this.#list.path : `${this.#list.path}?${query}`
  }
}

/**
 * Path and query of the `Link: <…>; rel="next"` of an answer (RFC 8288), which some registries write without `<>`. Its origin is ignored: behind a proxy, registries name
 * themselves as it does not, and a page elsewhere must not be followed (GHSA-h7vf-4x9w-h99v).
 */
export function nextPage({headers, url}: RegistryResponse): string | undefined {
  for (const [, bracketed, bare, parameters] of (headers.link ?? '').matchAll(LINK)) {
    const target = bracketed ?? bare
    if (
      target === undefined ||
      !/;\s*rel\s*=\s*(?:next\b|"(?:[^"]*\s)?next[\s"])/i.test(parameters ?? '') ||
      !URL.canParse(target, url.href)
    )
      continue
    const {pathname, search} = new URL(target, url)
    // A path that begins with two slashes would be read as a host.
    return `${pathname.replace(/^\/+/, '/')}${search}`
  }
  return undefined
}

function readNames({body}: RegistryResponse, member: Listing['member'], action: string): readonly string[] {
  const names = memberOf(body, member)
  // Some registries answer `null` for an empty list.
  if (names === null) return []
  if (!Array.isArray(names)) throw new HoldfastError('UNSUPPORTED', `cannot ${action}: the answer is not a list of ${member}`)
  if (!names.every((name) => typeof name === 'string'))
    throw new HoldfastError('UNSUPPORTED', `cannot ${action}: an entry of its ${member} is not a string`)
  return names
}

function memberOf(body: Buffer, member: string): unknown {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return typeof json === 'object' && json !== null ? Reflect.get(json, member) : undefined
  } catch {
    return undefined
  }
}
