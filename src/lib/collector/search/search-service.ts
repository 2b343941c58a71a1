/** Searches for somebody: over what is indexed of all registries, and only what he may pull. */
import {decide} from '../../access/decide.ts'
import type {ManagedRegistry} from '../objects.ts'
import type {CollectorStore} from '../store.ts'
import {type Account, type Standing, standingOf} from '../subjects.ts'
import {createSearchIndex, type SearchIndex, type SearchResults, search} from './search.ts'

/** What others wrote meanwhile is found after so long. */
const INDEX_LIFE_MS = 10_000

export interface SearchService {
  /** @param registry the name of the only one to look in. */
  searchFor(
    account: Account | 'everything',
    term: string,
    options: {readonly registry?: string | undefined; readonly limit: number},
  ): Promise<SearchResults>
  /** What is indexed has changed. */
  invalidate(): void
}

export function createSearchService(store: CollectorStore, now: () => Date): SearchService {
  let known: {readonly index: Promise<SearchIndex>; readonly readAt: number} | undefined
  const current = (): Promise<SearchIndex> => {
    const at = now().getTime()
    if (known === undefined || at - known.readAt > INDEX_LIFE_MS) {
      const index = readIndex(store)
      known = {index, readAt: at}
      index.catch(() => {
        known = undefined
      })
    }
    return known.index
  }
  return {
    async searchFor(account, term, {registry, limit}) {
      const index = await current()
      if (account === 'everything') return await search(index, term, {mayPull: () => true, registry, limit})
      const standings = new Map<number, Promise<Standing>>()
      const standingAt = (managed: ManagedRegistry): Promise<Standing> => {
        const found = standings.get(managed.id) ?? standingOf(account, managed, store)
        standings.set(managed.id, found)
        return found
      }
      return await search(index, term, {
        registry,
        limit,
        async mayPull({registry: managed, repository}) {
          const standing = await standingAt(managed)
          return decide('pull', standing.principal, standing.registry, await standing.resolve(repository.name)).granted
        },
      })
    },
    invalidate() {
      known = undefined
    },
  }
}

async function readIndex(store: CollectorStore): Promise<SearchIndex> {
  const registries = await store.listManagedRegistries()
  const entries = await Promise.all(
    registries.map(async (registry) => (await store.listRepositories(registry.id)).map((repository) => ({registry, repository}))),
  )
  return createSearchIndex(entries.flat())
}
