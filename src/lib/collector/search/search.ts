/** Search over repositories: what contains the term, ranked, and only what whoever asks may pull. */
import {classifyPath} from '../../access/repository-path.ts'
import type {IndexedRepository, ManagedRegistry} from '../objects.ts'
import {TrigramIndex} from './trigram-index.ts'

/** One repository of one registry. */
export interface Searchable {
  readonly registry: ManagedRegistry
  readonly repository: IndexedRepository
}

interface Entry extends Searchable {
  /** Repositories of one registry with the same one are pulled by the same people. */
  readonly access: string
}

/** Repositories that can be searched, the better ones first. */
export interface SearchIndex {
  readonly entries: readonly Entry[]
  readonly names: TrigramIndex
  readonly descriptions: TrigramIndex
}

/** Entries that are indexed before others get a turn. */
const CHUNK = 500

/** Makes an index; @param breathe called now and then, so that others get a turn. */
export async function createSearchIndex(found: readonly Searchable[], breathe: () => Promise<void> = async () => {}): Promise<SearchIndex> {
  const sorted = found.toSorted((a, b) => byMerit(a.repository, b.repository))
  const entries: Entry[] = []
  const [names, descriptions] = [new TrigramIndex(), new TrigramIndex()]
  for (const {registry, repository} of sorted) {
    const path = classifyPath(repository.name)
    const owner = path.kind === 'owned' ? `${path.class}/${path.owner}` : path.kind
    entries.push({registry, repository, access: `${registry.id} ${owner}`})
    names.add(repository.name)
    descriptions.add(repository.description)
    if (entries.length % CHUNK === 0) await breathe()
  }
  return {entries, names, descriptions}
}

export interface SearchOptions {
  /** Whether whoever asks may pull from it; asked once for all repositories with the same `access`. Counts tell no more than results do. */
  readonly mayPull: (found: Searchable) => Promise<boolean>
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

/** The name itself; its last component; the beginning of one; somewhere in it; in the description alone. */
const RANKS = 5

/** Finds by name and description; an empty term finds everything. */
export async function search({entries, names, descriptions}: SearchIndex, term: string, options: SearchOptions): Promise<SearchResults> {
  const wanted = term.trim().toLowerCase()
  const allowed = new Map<string, boolean>()
  const ranked: Searchable[][] = Array.from({length: RANKS}, () => [])
  let count = 0
  for (const position of merge(names.find(wanted), descriptions.find(wanted))) {
    const entry = entries[position]
    if (entry === undefined || (options.registry !== undefined && entry.registry.name !== options.registry)) continue
    let isAllowed = allowed.get(entry.access)
    if (isAllowed === undefined) {
      isAllowed = await options.mayPull(entry)
      allowed.set(entry.access, isAllowed)
    }
    if (!isAllowed) continue
    count++
    const rank = ranked[rankOf(entry.repository.name, wanted)]
    if (rank !== undefined && rank.length < options.limit) rank.push(entry)
  }
  return {count, results: ranked.flat().slice(0, options.limit)}
}

/** Two ascending lists as one, each number once. */
function* merge(a: readonly number[], b: readonly number[]): Generator<number> {
  let [left, right] = [0, 0]
  while (left < a.length || right < b.length) {
    const [one = Number.POSITIVE_INFINITY, other = Number.POSITIVE_INFINITY] = [a[left], b[right]]
    yield Math.min(one, other)
    if (one <= other) left++
    if (other <= one) right++
  }
}

function rankOf(name: string, term: string): number {
  const at = name.indexOf(term)
  if (at < 0) return 4
  if (name.length === term.length) return 0
  if (name.endsWith(term) && name.lastIndexOf('/') === name.length - term.length - 1) return 1
  return at === 0 || name.includes(`/${term}`) ? 2 : 3
}

function byMerit(a: IndexedRepository, b: IndexedRepository): number {
  if (a.isOfficial !== b.isOfficial) return a.isOfficial ? -1 : 1
  return b.stars - a.stars || b.pulls - a.pulls || (a.name < b.name ? -1 : 1)
}
