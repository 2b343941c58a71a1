/**
 * Search over the indexes of the database. Few repositories that an account may pull are read by their owners and looked at one by one. Of many, the best kinds of
 * matches are looked up one after the other, each by an index and with a limit: all matches are neither ranked nor counted.
 */
import {type Kysely, type RawBuilder, sql} from 'kysely'
import {ROOT_OWNER} from '../../access/repository-path.ts'
import type {SearchStore, VisibleRepositories} from '../store.ts'
import {toRepositories} from './index-store.ts'
import type {Dialect} from './migrations.ts'
import type {Tables} from './tables.ts'
import {groupBy} from './values.ts'

export interface SearchLimits {
  /** So many repositories are read one by one: a few milliseconds. */
  readonly few: number
  /** Matches that are ranked and counted, unless more are asked for; those beyond are not looked for. */
  readonly ranked: number
}

export const SEARCH_LIMITS: SearchLimits = {few: 5_000, ranked: 200}
/** Owners whose own trigrams narrow a search; more of one kind narrow it by what they have in common, `apps/`. */
const MAX_INDEXED_OWNERS = 20
/** The last trigrams of an owner tell it apart best. */
const OWNER_TRIGRAMS = 3
/** More trigrams of a term narrow nothing: what is found is compared with the whole term. */
const MAX_TRIGRAMS = 12
const TRIGRAM_LENGTH = 3
/** Every character of a repository's name (distribution-spec 1.1 §Pulling manifests). */
const NAME_CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789._/-']

type Condition = RawBuilder<unknown>

export function createSearchStore(database: Kysely<Tables>, dialect: Dialect, limits: SearchLimits): SearchStore {
  const {few: maxFew} = limits
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
      const maxRanked = Math.max(limits.ranked, limit)
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
 * Ids of the best kinds of matches, of each kind one more than are ranked at most: the whole name, the last component, the beginning of one, official ones, and whatever
 * contains the term.
 */
function tiers(query: Query): Condition {
  const {visible, seen, term, dialect, maxRanked} = query
  // SQLite has no statistics of these rows, and would take the index of the owners for everything.
  const ledBy = (index: string): Condition => (dialect === 'sqlite' ? sql`indexed by ${sql.raw(index)}` : sql``)
  const official = matching(sql`r.is_official = 1 and ${seen} and ${contains(term, dialect)}`, maxRanked, ledBy('repository_official'))
  if (term === '') return union([matching(seen, maxRanked), official])
  const named = (condition: Condition): Condition =>
    matching(sql`${anyOf(visible.map(({registryId}) => sql`(r.registry_id = ${registryId} and ${condition})`))} and ${seen}`, maxRanked)
  const ends = matching(sql`r.leaf = ${term} and ${seen}`, maxRanked, ledBy('repository_leaf'))
  return union([named(sql`r.name = ${term}`), ends, official, ...beginning(query, named), ...containing(query)])
}

/** Names of which a component begins with the term. */
function beginning(query: Query, named: (condition: Condition) => Condition): readonly Condition[] {
  const {seen, term, dialect, maxRanked} = query
  const begins = beginsWith(term, dialect)
  if (dialect === 'postgres') return [matching(sql`${seen} and ${begins}`, maxRanked)]
  const first = named(sql`r.name >= ${term} and r.name < ${`${term}\u{10ffff}`}`)
  const start = [...`/${term}`]
  // A component that is the term alone has a slash behind it, or is the last one.
  if (start.length < TRIGRAM_LENGTH)
    return [first, indexed(query, NAME_CHARACTERS.map((next) => quote(`/${term}${next}`)).join(' OR '), begins)]
  return [first, indexed(query, allTrigrams(`/${term}`), begins)]
}

/** Names and descriptions that contain the term; terms of two characters are looked for in names alone, which have few characters. */
function containing(query: Query): readonly Condition[] {
  const {seen, term, dialect, maxRanked} = query
  const characters = [...term]
  if (characters.length === 1) return []
  const isShort = characters.length < TRIGRAM_LENGTH
  if (isShort && !characters.every((character) => NAME_CHARACTERS.includes(character))) return []
  const matches = contains(term, dialect)
  if (dialect === 'postgres') return [matching(sql`${seen} and ${matches}`, maxRanked)]
  return [indexed(query, isShort ? around(term) : allTrigrams(term), matches)]
}

/** What the index of trigrams finds and the condition confirms: the index first, and of what it finds only what may be pulled. */
function indexed({visible, seen, maxRanked}: Query, words: string, condition: Condition): Condition {
  const owners = ownersQuery(visible)
  const match = owners === undefined ? words : `(${words}) AND (${owners})`
  return sql`select id from (
    select r.id from repository_search s cross join repository r on r.id = s.rowid
    where repository_search match ${match} and ${condition} and ${seen} limit ${sql.lit(maxRanked + 1)}
  ) as tier`
}

/** One more than are ranked, where there are. */
function matching(condition: Condition, maxRanked: number, led = sql``): Condition {
  return sql`select id from (select r.id from repository r ${led} where ${condition} limit ${sql.lit(maxRanked + 1)}) as tier`
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
  const kinds = groupBy([...owners], (owner) => owner.replace(/\/.*/, ''))
  const starts = [...kinds].flatMap(([kind, those]) => {
    if (kind === ROOT_OWNER) return [ROOT_OWNER.slice(0, TRIGRAM_LENGTH)]
    return those.length > MAX_INDEXED_OWNERS ? [`${kind}/`.slice(-TRIGRAM_LENGTH)] : those.map((owner) => `${owner}/`)
  })
  return starts.map((start) => `(${trigrams(start).slice(-OWNER_TRIGRAMS).map(quote).join(' AND ')})`).join(' OR ')
}

function allTrigrams(text: string): string {
  return trigrams(text).slice(0, MAX_TRIGRAMS).map(quote).join(' AND ')
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
  const {length} = [...term]
  if (length === 1) return beginsWith(term, dialect)
  const name = columnContains('name', term, dialect)
  return length < TRIGRAM_LENGTH ? name : sql`(${name} or ${columnContains('description_key', term, dialect)})`
}

/** PostgreSQL finds by the index what is asked with LIKE. */
function columnContains(column: 'name' | 'description_key', term: string, dialect: Dialect): Condition {
  const name = sql.ref(`r.${column}`)
  return dialect === 'sqlite' ? sql`instr(${name}, ${term}) > 0` : sql`${name} like ${`%${escapeLike(term)}%`} escape '\\'`
}

/** Whether a component of the name begins with the term. */
function beginsWith(term: string, dialect: Dialect): Condition {
  const escaped = escapeLike(term)
  return dialect === 'sqlite'
    ? sql`instr('/' || r.name, ${`/${term}`}) > 0`
    : sql`(r.name like ${`${escaped}%`} escape '\\' or r.name like ${`%/${escaped}%`} escape '\\')`
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
