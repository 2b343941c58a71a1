/** What must change so that a collector is as a document says. Pure. What the document does not name stays as it is, unless its section is to be pruned. */
import {createHash} from 'node:crypto'
import {HoldfastError} from '../../core/errors.ts'
import type {CollectorDocument} from './document.ts'

/** From so many removals of one kind on, more than half of that kind is too much to be meant. */
const MIN_SUSPICIOUS_REMOVALS = 5

export const PLANNED_KINDS = ['policy', 'group', 'user', 'app', 'service', 'registry', 'repository'] as const
export type PlannedKind = (typeof PLANNED_KINDS)[number]

export interface PlannedChange {
  /** `restore`: one of that name was removed, and comes back under its id. `remove`, of a repository: what users said of it. */
  readonly action: 'add' | 'restore' | 'change' | 'remove'
  readonly kind: PlannedKind
  readonly name: string
  /** The fields that change, with their values before and after; of an object that is added, after. */
  readonly fields: readonly {readonly field: string; readonly from?: unknown; readonly to?: unknown}[]
}

type Entry = Readonly<Record<string, unknown>>
type Section = Exclude<keyof CollectorDocument, 'policy' | 'responsibleSees' | 'ids'>

/** In the order in which they can be made: groups before their members, apps before their services. */
const SECTIONS = [
  ['group', 'groups'],
  ['user', 'users'],
  ['app', 'apps'],
  ['service', 'services'],
  ['registry', 'registries'],
  ['repository', 'repositories'],
] as const satisfies readonly (readonly [PlannedKind, Section])[]

export interface PlanOptions {
  /** Whether what a section does not name is removed. A section that is missing is left alone; an empty one says that there are none. */
  readonly prune: boolean
  /** Whether an object of that name was removed, and can be restored. */
  readonly wasRemoved: (kind: PlannedKind, name: string) => boolean
}

/**
 * Settings, additions and changes first, and removals in reverse at the end.
 * @throws {HoldfastError} USAGE when the document names an object twice.
 */
export function planChanges(
  current: CollectorDocument,
  wanted: CollectorDocument,
  {prune, wasRemoved}: PlanOptions,
): readonly PlannedChange[] {
  const made = SECTIONS.flatMap(([kind, section]) => {
    const known = entriesOf(current, section)
    return inOrderOfIds(section, wanted, [...uniqueEntriesOf(kind, wanted, section)]).flatMap(([name, entry]) =>
      changeOf(kind, name, known.get(name), entry, wasRemoved(kind, name)),
    )
  })
  const pruned = prune ? SECTIONS.toReversed().filter(([, section]) => wanted[section] !== undefined) : []
  const gone = pruned.flatMap(([kind, section]): readonly PlannedChange[] => {
    const kept = entriesOf(wanted, section)
    return [...entriesOf(current, section).keys()]
      .filter((name) => !kept.has(name))
      .map((name) => ({action: 'remove', kind, name, fields: []}))
  })
  return [...planSettings(current, wanted), ...made, ...gone]
}

/**
 * Refuses a plan that looks like a mistake: an empty or truncated document.
 * @param maxRemovals how many objects may go; when absent, not more than half of a kind where those are five or more.
 * @throws {HoldfastError} CONFLICT
 */
export function assertFewRemovals(changes: readonly PlannedChange[], current: CollectorDocument, maxRemovals: number | undefined): void {
  const removed = changes.filter(({action}) => action === 'remove')
  if (maxRemovals !== undefined) {
    if (removed.length > maxRemovals) throw tooMany(`${removed.length} objects would be removed, and ${maxRemovals} may be`, removed.length)
    return
  }
  for (const [kind, section] of SECTIONS) {
    const count = removed.filter((change) => change.kind === kind).length
    const all = current[section]?.length ?? 0
    if (count < MIN_SUSPICIOUS_REMOVALS || count * 2 <= all) continue
    throw tooMany(`${count} of ${all} ${section} would be removed, which is more than half`, removed.length)
  }
}

function tooMany(reason: string, count: number): HoldfastError {
  return new HoldfastError('CONFLICT', `cannot apply the document: ${reason}; nothing was changed`, {
    hints: ['holdfast export > collector.yaml   # what is there now', `holdfast apply FILE --prune --max-removals ${count}`],
    details: {removals: count},
  })
}

/** Tells whether what the document is about has changed since: a digest of those sections. */
export function fingerprint(current: CollectorDocument, wanted: CollectorDocument): string {
  const concerned = Object.entries(current).filter(([section]) => section !== 'ids' && Object.hasOwn(wanted, section))
  return `sha256:${createHash('sha256').update(JSON.stringify(concerned)).digest('hex')}`
}

/** Ids grow: an object whose id is less than that of another one that was added before could not keep it. */
function inOrderOfIds<Named extends readonly [string, Entry]>(
  section: Section,
  {ids = {}}: CollectorDocument,
  entries: readonly Named[],
): readonly Named[] {
  const known = section === 'groups' || section === 'users' || section === 'apps' ? ids[section] : undefined
  if (known === undefined) return entries
  const idOf = ([name]: Named): number => known[name] ?? Number.MAX_SAFE_INTEGER
  return [...entries].sort((a, b) => idOf(a) - idOf(b))
}

function planSettings(current: CollectorDocument, wanted: CollectorDocument): readonly PlannedChange[] {
  const fields = (['policy', 'responsibleSees'] as const)
    .filter((field) => wanted[field] !== undefined && wanted[field] !== current[field])
    .map((field) => ({field, from: current[field], to: wanted[field]}))
  return fields.length === 0 ? [] : [{action: 'change', kind: 'policy', name: 'policy', fields}]
}

/** Entries by name. */
function entriesOf(document: CollectorDocument, section: Section): ReadonlyMap<string, Entry> {
  return new Map(listOf(document, section).map((entry) => [nameOf(section, entry), entry]))
}

function uniqueEntriesOf(kind: PlannedKind, document: CollectorDocument, section: Section): ReadonlyMap<string, Entry> {
  const entries = entriesOf(document, section)
  const all = listOf(document, section)
  if (entries.size === all.length) return entries
  const names = all.map((entry) => nameOf(section, entry))
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  throw new HoldfastError('USAGE', `cannot apply the document: it names ${kind} "${twice}" twice`)
}

function listOf(document: CollectorDocument, section: Section): readonly Entry[] {
  return section === 'groups' ? (document.groups ?? []).map((name) => ({name})) : (document[section] ?? [])
}

function nameOf(section: Section, entry: Entry): string {
  if (section === 'repositories') return `${String(entry.registry)}/${String(entry.name)}`
  return String(section === 'apps' ? entry.code : entry.name)
}

const NAMES: ReadonlySet<string> = new Set(['name', 'code'])

function changeOf(kind: PlannedKind, name: string, before: Entry | undefined, after: Entry, wasRemoved: boolean): readonly PlannedChange[] {
  const fields = Object.entries(after)
    .filter(([field, to]) => !NAMES.has(field) && !(kind === 'repository' && field === 'registry') && !isSame(before?.[field], to))
    .map(([field, to]) => ({field, ...(before === undefined ? {} : {from: before[field]}), to}))
  if (before === undefined) return [{action: wasRemoved ? 'restore' : 'add', kind, name, fields}]
  return fields.length === 0 ? [] : [{action: 'change', kind, name, fields}]
}

/** The order of groups says nothing. */
function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort())
  return a === b
}
