/** What must change so that a collector is as a document says. Pure. What the document does not name stays as it is, unless everything else shall go. */
import type {CollectorDocument} from './document.ts'

type ObjectKind = 'policy' | 'group' | 'user' | 'app' | 'service' | 'registry'

export interface PlannedChange {
  readonly action: 'add' | 'change' | 'remove'
  readonly kind: ObjectKind
  readonly name: string
  /** The fields that change, with their values before and after; of an object that is added, after. */
  readonly fields: readonly {readonly field: string; readonly from?: unknown; readonly to?: unknown}[]
}

type Entry = Readonly<Record<string, unknown>>

/** In the order in which they can be made: groups before their members, apps before their services, and removals in reverse at the end. */
export function planChanges(
  current: CollectorDocument,
  wanted: CollectorDocument,
  {prune}: {readonly prune: boolean},
): readonly PlannedChange[] {
  const kinds: readonly (readonly [ObjectKind, readonly Entry[], readonly Entry[], string])[] = [
    ['group', (current.groups ?? []).map((name) => ({name})), (wanted.groups ?? []).map((name) => ({name})), 'name'],
    ['user', current.users ?? [], wanted.users ?? [], 'name'],
    ['app', current.apps ?? [], wanted.apps ?? [], 'code'],
    ['service', current.services ?? [], wanted.services ?? [], 'name'],
    ['registry', current.registries ?? [], wanted.registries ?? [], 'name'],
  ]
  const policy: readonly PlannedChange[] =
    wanted.policy === undefined || wanted.policy === current.policy
      ? []
      : [{action: 'change', kind: 'policy', name: 'policy', fields: [{field: 'policy', from: current.policy, to: wanted.policy}]}]
  const made = kinds.flatMap(([kind, before, after, key]) => {
    const known = new Map(before.map((entry) => [String(entry[key]), entry]))
    return after.flatMap((entry) => changeOf(kind, String(entry[key]), known.get(String(entry[key])), entry, key))
  })
  const gone = kinds.toReversed().flatMap(([kind, before, after, key]): readonly PlannedChange[] => {
    const kept = new Set(after.map((entry) => String(entry[key])))
    return before
      .filter((entry) => !kept.has(String(entry[key])))
      .map((entry) => ({action: 'remove', kind, name: String(entry[key]), fields: []}))
  })
  return [...policy, ...made, ...(prune ? gone : [])]
}

function changeOf(kind: ObjectKind, name: string, before: Entry | undefined, after: Entry, key: string): readonly PlannedChange[] {
  const fields = Object.entries(after)
    .filter(([field, to]) => field !== key && !isSame(before?.[field], to))
    .map(([field, to]) => ({field, ...(before === undefined ? {} : {from: before[field]}), to}))
  if (before === undefined) return [{action: 'add', kind, name, fields}]
  return fields.length === 0 ? [] : [{action: 'change', kind, name, fields}]
}

/** The order of groups says nothing. */
function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort())
  return a === b
}
