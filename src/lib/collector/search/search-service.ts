/** Searches for somebody: over what is indexed of all registries, and only what he may pull. */
import {setImmediate as breathe} from 'node:timers/promises'
import {decide} from '../../access/decide.ts'
import type {ManagedRegistry} from '../objects.ts'
import {isProven} from '../registry-place.ts'
import type {CollectorStore} from '../store.ts'
import {type Account, type Standing, standingOf} from '../subjects.ts'
import {createSearchIndex, type Searchable, type SearchIndex, type SearchResults, search} from './search.ts'

/** What another replica wrote is found after so long. */
const INDEX_LIFE_MS = 30_000
/** However often things change, a new index is not begun before. */
const MIN_INDEX_LIFE_MS = 1_000
/** Repositories that are read at once. */
const PAGE_SIZE = 1_000

export interface SearchService {
  /** @param registry the name of the only one to look in. */
  searchFor(
    account: Account | 'everything',
    term: string,
    options: {readonly registry?: string | undefined; readonly limit: number},
  ): Promise<SearchResults>
  /** What is indexed has changed: the next search but one knows it. */
  invalidate(): void
}

export function createSearchService(store: CollectorStore, now: () => Date): SearchService {
  let current: SearchIndex | undefined
  let building: Promise<SearchIndex> | undefined
  let builtAt = Number.NEGATIVE_INFINITY
  let isStale = false

  const build = (): Promise<SearchIndex> => {
    isStale = false
    builtAt = now().getTime()
    building = readIndex(store)
      .then((index) => {
        current = index
        return index
      })
      .finally(() => {
        building = undefined
      })
    return building
  }

  /** An index that is there is used while a newer one is made. */
  const index = async (): Promise<SearchIndex> => {
    const age = now().getTime() - builtAt
    if (building === undefined && (age > INDEX_LIFE_MS || (isStale && age > MIN_INDEX_LIFE_MS))) {
      const built = build()
      // Whoever has no index yet waits for it and sees its failure; otherwise the next search tries again.
      if (current !== undefined) built.catch(() => {})
    }
    return current ?? (await (building ?? build()))
  }

  return {
    async searchFor(account, term, {registry, limit}) {
      const found = await index()
      if (account === 'everything') return await search(found, term, {mayPull: async () => true, registry, limit})
      const standings = new Map<number, Promise<Standing>>()
      const standingAt = (managed: ManagedRegistry): Promise<Standing> => {
        const known = standings.get(managed.id) ?? standingOf(account, managed, store)
        standings.set(managed.id, known)
        return known
      }
      return await search(found, term, {
        registry,
        limit,
        async mayPull({registry: managed, repository}) {
          const standing = await standingAt(managed)
          return decide('pull', standing.principal, standing.registry, await standing.resolve(repository.name), standing.options).granted
        },
      })
    },
    invalidate() {
      isStale = true
    },
  }
}

/** In pages, between which others get a turn. */
async function readIndex(store: CollectorStore): Promise<SearchIndex> {
  const found: Searchable[] = []
  for (const registry of (await store.listManagedRegistries()).filter(isProven)) {
    for (let after = ''; ; ) {
      const page = await store.listRepositories(registry.id, {after, limit: PAGE_SIZE})
      for (const repository of page) found.push({registry, repository})
      await breathe()
      if (page.length < PAGE_SIZE) break
      after = page.at(-1)?.name ?? after
    }
  }
  return await createSearchIndex(found, async () => {
    await breathe()
  })
}
