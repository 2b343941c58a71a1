/**
 * Search over the indexes of the database. Few repositories that an account may pull are read by their owners and looked at one by one. Of many, the best kinds of
 * matches are looked up one after the other, each by an index and with a limit: all matches are neither ranked nor counted.
 */
import {type Kysely, type RawBuilder, sql} from 'kysely'
import type {SearchStore, VisibleRepositories} from '../store.ts'
import {toRepositories} from './index-store.ts'
import type {Dialect} from './migrations.ts'
import type {Tables} from './tables.ts'

export interface SearchLimits {
  /** So many repositories are read one by one: a few milliseconds. */
  readonly few: number
  /** Matches that are ranked and counted; those beyond are not looked for. */
  readonly ranked: number
}

export const SEARCH_LIMITS: SearchLimits = {few: 5_000, ranked: 1_000}
/** Owners whose trigrams narrow a search; with more of them, a match is looked at before its owner. */
const MAX_INDEXED_OWNERS = 50
/** More trigrams of a term narrow nothing: what is found is compared with the whole term. */
const MAX_TRIGRAMS = 12
const TRIGRAM_LENGTH = 3
/** Every character of a repository's name (distribution-spec 1.1 §Pulling manifests). */
const NAME_CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789._/-']

type Condition = RawBuilder<unknown>

export function createSearchStore(database: Kysely<Tables>, dialect: Dialect, limits: SearchLimits): SearchStore {
  const {few: maxFew, ranked: maxRanked} = limits
  const visibleAs = (visible: readonly VisibleRepositories[]): Condition => anyOf(visible.map((one) => seenBy(one, dialect)))
  const countFew = async (seen: Condition): Promise<number> => {
    const few = sql`select 1 from repository r where ${seen} limit ${sql.lit(maxFew + 1)}`
    const {rows} = await sql<{readonly count: number | string}>`select count(*) as count from (${few}) as few`.execute(database)
    return Number(rows[0]?.count ?? 0)
  }
  return {
    async searchRepositories(registries, term, limit) {
      const visible = registries.filter(({owners}) => owners === 'all' || owners.length > 0)
      if (visible.length === 0) return {count: 0, isMore: false, results: []}
      const seen = visibleAs(visible)
      const isFew = (await countFew(seen)) <= maxFew
      const candidates = isFew
        ? sql`select r.id from repository r where ${seen} and ${contains(term, dialect)}`
        : tiers({visible, seen, term, dialect, maxRanked})
      const ranked = sql`
        with candidate(id) as (${candidates})
        select r.*, registry.name as registry, (select count(*) from star where star.repository_id = r.id) as stars, count(*) over () as found
        from candidate join repository r on r.id = candidate.id join registry on registry.id = r.registry_id
        order by ${rank(term, dialect)}, r.is_official desc, stars desc, r.pulls desc, r.name, r.id
        limit ${limit}`
      const {rows} = (await ranked.execute(database)) as {readonly rows: readonly FoundRow[]}
      const found = Number(rows[0]?.found ?? 0)
      const isMore = !isFew && found > maxRanked
      return {count: isMore ? maxRanked : found, isMore, results: toRepositories(rows)}
    },
    async listVisible(visible, {after, limit}) {
      if (visible.owners !== 'all' && visible.owners.length === 0) return []
      const isFew = (await countFew(visibleAs([visible]))) <= maxFew
      const {rows} = await page(visible, after, limit, isFew, dialect).execute(database)
      return rows.map(({name}) => name)
    },
  }
}

type FoundRow = Parameters<typeof toRepositories>[0][number] & {readonly found: number | string}

/** One search of many repositories. */
interface Query {
  readonly visible: readonly VisibleRepositories[]
  /** The same as a condition. */
  readonly seen: Condition
  readonly term: string
  readonly dialect: Dialect
  readonly maxRanked: number
}

/**
 * Ids of the best kinds of matches, of each kind at most as many as are ranked: the whole name, the last component, the beginning of one, official ones, and whatever
 * contains the term.
 */
function tiers(query: Query): Condition {
  const {visible, seen, term, dialect, maxRanked} = query
  const limited = (rest: Condition): Condition => matching(rest, maxRanked)
  const official = (condition: Condition): Condition => limited(sql`r.is_official = 1 and ${seen} and ${condition}`)
  if (term === '') return union([matching(seen, maxRanked + 1), official(sql`1 = 1`)])
  const beginning =
    dialect === 'sqlite'
      ? sql`r.leaf >= ${term} and r.leaf < ${`${term}\u{10ffff}`}`
      : sql`r.leaf like ${`${escapeLike(term)}%`} escape '\\'`
  const names = visible.map(({registryId}) => sql`(r.registry_id = ${registryId} and r.name = ${term})`)
  return union([
    limited(sql`${anyOf(names)} and ${seen}`),
    limited(sql`r.leaf = ${term} and ${seen}`),
    limited(sql`${beginning} and ${seen}`),
    official(contains(term, dialect)),
    containing(query),
  ])
}

/** Repositories that contain the term, and one more than are ranked where there are; terms of one or two characters are looked for in names alone, which have few characters. */
function containing({visible, seen, term, dialect, maxRanked}: Query): Condition {
  const characters = [...term]
  const isShort = characters.length < TRIGRAM_LENGTH
  if (isShort && !characters.every((character) => NAME_CHARACTERS.includes(character))) return sql`select id from repository where 1 = 0`
  const matches = contains(term, dialect)
  if (dialect === 'postgres' || characters.length === 1) return matching(sql`${seen} and ${matches}`, maxRanked + 1)
  const words = isShort ? around(term) : trigrams(term).slice(0, MAX_TRIGRAMS).map(quote).join(' AND ')
  const owners = ownersQuery(visible)
  const match = owners === undefined ? words : `(${words}) AND (${owners})`
  // In this order: the index first, and of what it finds only what may be pulled.
  return sql`select id from (
    select r.id from repository_search s cross join repository r on r.id = s.rowid
    where repository_search match ${match} and ${matches} and ${seen} limit ${sql.lit(maxRanked + 1)}
  ) as tier`
}

function matching(condition: Condition, limit: number): Condition {
  return sql`select id from (select r.id from repository r where ${condition} limit ${sql.lit(limit)}) as tier`
}

/** The trigrams that a name has in which these two characters stand together. */
function around(term: string): string {
  return NAME_CHARACTERS.flatMap((character) => [quote(term + character), quote(character + term)]).join(' OR ')
}

/** The owners as the index knows them; undefined where they narrow nothing. */
function ownersQuery(visible: readonly VisibleRepositories[]): string | undefined {
  const owners = new Set<string>()
  for (const one of visible) {
    if (one.owners === 'all') return undefined
    for (const owner of one.owners) owners.add(owner)
  }
  if (owners.size > MAX_INDEXED_OWNERS) return undefined
  return [...owners].map((owner) => `(${trigrams(owner).slice(-MAX_TRIGRAMS).map(quote).join(' AND ')})`).join(' OR ')
}

function trigrams(text: string): readonly string[] {
  const characters = [...text]
  return [...new Set(characters.slice(TRIGRAM_LENGTH - 1).map((_, at) => characters.slice(at, at + TRIGRAM_LENGTH).join('')))]
}

/** A text in a query of FTS5, where nothing in it has a meaning. */
function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}

function contains(term: string, dialect: Dialect): Condition {
  if (term === '') return sql`1 = 1`
  return [...term].length < TRIGRAM_LENGTH
    ? nameContains(term, dialect)
    : sql`(${nameContains(term, dialect)} or ${columnContains('description_key', term, dialect)})`
}

function nameContains(term: string, dialect: Dialect): Condition {
  return columnContains('name', term, dialect)
}

/** PostgreSQL finds by the index what is asked with LIKE. */
function columnContains(column: 'name' | 'description_key', term: string, dialect: Dialect): Condition {
  const name = sql.ref(`r.${column}`)
  return dialect === 'sqlite' ? sql`instr(${name}, ${term}) > 0` : sql`${name} like ${`%${escapeLike(term)}%`} escape '\\'`
}

function escapeLike(term: string): string {
  return term.replaceAll(/[\\%_]/g, '\\$&')
}

/** The name itself; its last component; the beginning of one; somewhere in it; in the description alone. */
function rank(term: string, dialect: Dialect): Condition {
  const position = sql.raw(dialect === 'sqlite' ? 'instr' : 'strpos')
  return sql`case
    when r.name = ${term} then 0
    when r.leaf = ${term} then 1
    when ${position}('/' || r.name, ${`/${term}`}) > 0 then 2
    when ${position}(r.name, ${term}) > 0 then 3
    else 4 end`
}

function seenBy({registryId, owners}: VisibleRepositories, dialect: Dialect): Condition {
  if (owners === 'all') return sql`r.registry_id = ${registryId}`
  return sql`(r.registry_id = ${registryId} and ${ownedBy(owners, dialect)})`
}

/** One parameter, however many they are. */
function ownedBy(owners: readonly string[], dialect: Dialect, column = sql`r.owner`): Condition {
  return dialect === 'sqlite'
    ? sql`${column} in (select value from json_each(${JSON.stringify(owners)}))`
    : sql`${column} = any(${[...owners]}::text[])`
}

/** Few names are read by their owners and sorted; of many, names are read in order until there are enough. SQLite is told which index leads there. */
function page(
  {registryId, owners}: VisibleRepositories,
  after: string,
  limit: number,
  isFew: boolean,
  dialect: Dialect,
): RawBuilder<{readonly name: string}> {
  const isLed = dialect === 'sqlite'
  const name = isLed && isFew ? sql`+r.name` : sql`r.name`
  const owned = owners === 'all' ? sql`1 = 1` : ownedBy(owners, dialect, isLed && !isFew ? sql`+r.owner` : sql`r.owner`)
  return sql`select r.name from repository r where r.registry_id = ${registryId} and ${name} > ${after} and ${owned} order by ${name} limit ${limit}`
}

function anyOf(conditions: readonly Condition[]): Condition {
  return sql`(${sql.join(conditions, sql` or `)})`
}

function union(selects: readonly Condition[]): Condition {
  return sql.join(selects, sql` union `)
}
