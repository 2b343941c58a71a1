/** Searches for an account: what it may pull of all registries, or of one, by the indexes of the database. What another process wrote is found at once. */
import type {IndexedRepository, ManagedRegistry} from '../objects.ts'
import {isProven} from '../registry-place.ts'
import type {CollectorStore, VisibleRepositories} from '../store.ts'
import type {Account} from '../subjects.ts'
import {visibleIn} from './visible.ts'

interface SearchResults {
  /** How many there are for the account; with `isMore`, at least so many. */
  readonly count: number
  readonly isMore: boolean
  /** The best `limit` of them. */
  readonly results: readonly IndexedRepository[]
}

interface SearchOptions {
  /** The name of the only registry to look in. */
  readonly registry?: string | undefined
  readonly limit: number
}

export interface SearchService {
  /** Finds by name and description; an empty term finds everything. */
  searchFor(account: Account | 'everything', term: string, options: SearchOptions): Promise<SearchResults>
  /** One page of the names that an account may pull from a registry, and whether there are more. */
  listFor(account: Account, registry: ManagedRegistry, page: {readonly after: string; readonly limit: number}): Promise<CatalogPage>
}

interface CatalogPage {
  readonly repositories: readonly string[]
  readonly hasMore: boolean
}

export function createSearchService(store: CollectorStore): SearchService {
  return {
    async searchFor(account, term, {registry, limit}) {
      const all = (await store.listManagedRegistries()).filter(isProven)
      const registries = all.filter(({name}) => registry === undefined || name === registry)
      const visible = await Promise.all(
        registries.map((managed): VisibleRepositories | Promise<VisibleRepositories> =>
          account === 'everything' ? {registryId: managed.id, owners: 'all'} : visibleIn(account, managed, store),
        ),
      )
      return await store.searchRepositories(visible, parseTerm(term), limit)
    },
    async listFor(account, registry, {after, limit}) {
      const names = await store.listVisible(await visibleIn(account, registry, store), {after, limit: limit + 1})
      return {repositories: names.slice(0, limit), hasMore: names.length > limit}
    },
  }
}

/** As OpenSVC's collector has it, the kind of thing to search for may stand before the term: `docker: web`. */
function parseTerm(text: string): string {
  return text
    .replace(/^\s*docker:/i, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .toLowerCase()
}
