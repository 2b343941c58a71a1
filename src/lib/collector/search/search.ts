/** Search over repositories: what contains the term, ranked, and only what whoever asks may pull. */
import type {IndexedRepository, ManagedRegistry} from '../objects.ts'
import {TrigramIndex} from './trigram-index.ts'

/** One repository of one registry. */
export interface Searchable {
  readonly registry: ManagedRegistry
  readonly repository: IndexedRepository
}

/** Repositories that can be searched; made anew when they change. */
export interface SearchIndex {
  readonly entries: readonly Searchable[]
  readonly names: TrigramIndex
  readonly descriptions: TrigramIndex
}

export function createSearchIndex(entries: readonly Searchable[]): SearchIndex {
  const [names, descriptions] = [new TrigramIndex(), new TrigramIndex()]
  for (const {repository} of entries) {
    names.add(repository.name)
    descriptions.add(repository.description)
  }
  return {entries, names, descriptions}
}

export interface SearchOptions {
  /** Whether whoever asks may pull from it; counts tell no more than results do. */
  readonly mayPull: (found: Searchable) => Promise<boolean> | boolean
  /** Within this registry only. */
  readonly registry?: string | undefined
  readonly limit: number
}

export interface SearchResults {
  /** How many there are for whoever asks. */
  readonly count: number
  /** The best `limit` of them. */
  readonly results: readonly Searchable[]
}

/** Finds by name and description; an empty term finds everything. */
export async function search({entries, names, descriptions}: SearchIndex, term: string, options: SearchOptions): Promise<SearchResults> {
  const wanted = term.trim().toLowerCase()
  const positions = new Set([...names.find(wanted), ...descriptions.find(wanted)])
  const allowed: {readonly found: Searchable; readonly rank: number}[] = []
  for (const position of positions) {
    const found = entries[position]
    if (found === undefined || (options.registry !== undefined && found.registry.name !== options.registry)) continue
    const may = options.mayPull(found)
    if (may === true || (may !== false && (await may))) allowed.push({found, rank: exactness(found.repository.name, wanted)})
  }
  allowed.sort((a, b) => b.rank - a.rank || byMerit(a.found.repository, b.found.repository))
  return {count: allowed.length, results: allowed.slice(0, options.limit).map(({found}) => found)}
}

/** The name itself, its last component, its beginning, somewhere in it, in the description alone. */
function exactness(name: string, term: string): number {
  if (name === term) return 4
  if (name.slice(name.lastIndexOf('/') + 1) === term) return 3
  if (name.startsWith(term) || name.includes(`/${term}`)) return 2
  return name.includes(term) ? 1 : 0
}

function byMerit(a: IndexedRepository, b: IndexedRepository): number {
  if (a.isOfficial !== b.isOfficial) return a.isOfficial ? -1 : 1
  return b.stars - a.stars || b.pulls - a.pulls || (a.name < b.name ? -1 : 1)
}
