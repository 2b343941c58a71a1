import {type Static, Type} from 'typebox'
import {HoldfastError} from '../../core/errors.ts'
import {applyChange} from '../document/apply.ts'
import {DocumentShape} from '../document/document.ts'
import {exportDocument} from '../document/export.ts'
import {assertFewRemovals, fingerprint, PLANNED_KINDS, type PlannedChange, type PlannedKind, planChanges} from '../document/plan.ts'
import type {CollectorStore} from '../store.ts'
import {assertAdministrator, defineOperation, shape} from './operation.ts'
import {Nothing} from './shapes.ts'

const ChangeShape = shape({
  action: Type.Enum(['add', 'restore', 'change', 'remove']),
  kind: Type.Enum([...PLANNED_KINDS]),
  name: Type.String(),
  fields: Type.Array(shape({field: Type.String(), from: Type.Optional(Type.Unknown()), to: Type.Optional(Type.Unknown())})),
})
const StateShape = Type.String({
  pattern: '^sha256:[0-9a-f]{64}$',
  description: 'tells whether what the document is about has changed since',
})
const MaxRemovals = Type.Integer({
  minimum: 0,
  description: 'how many objects may be removed; otherwise at most half of a kind of five or more',
})

/** A plan that was made, to be reviewed and applied later. */
export const PlanShape = shape({
  version: Type.Literal(1),
  state: StateShape,
  prune: Type.Boolean(),
  maxRemovals: Type.Optional(MaxRemovals),
  document: DocumentShape,
  changes: Type.Array(ChangeShape),
})

export type Plan = Static<typeof PlanShape>

export const exportAll = defineOperation({
  id: 'document.export',
  method: 'GET',
  path: '/document',
  summary: 'Gives all objects as one document, without secrets.',
  input: Nothing,
  output: DocumentShape,
  async run(_input, call) {
    assertAdministrator(call, 'export the collector')
    return await exportDocument(call.store)
  },
})

/** Ends the transaction of a dry run, which has made every change. */
class DryRun extends Error {}

export const applyAll = defineOperation({
  id: 'document.apply',
  method: 'POST',
  path: '/document',
  summary:
    'Makes the collector what a document says, all of it or nothing; what it does not name stays, unless it is to be pruned, and then only in sections that it has. A dry run makes and undoes every change.',
  input: shape({
    document: DocumentShape,
    isDryRun: Type.Optional(Type.Boolean()),
    prune: Type.Optional(Type.Boolean()),
    maxRemovals: Type.Optional(MaxRemovals),
    expectedState: Type.Optional(StateShape),
  }),
  output: shape({isDryRun: Type.Boolean(), state: StateShape, changes: Type.Array(ChangeShape)}),
  async run({document, isDryRun = false, prune = false, maxRemovals, expectedState}, call) {
    assertAdministrator(call, 'apply a document')
    let planned: {readonly state: string; readonly changes: readonly PlannedChange[]} = {state: '', changes: []}
    const make = async (store: CollectorStore): Promise<void> => {
      const current = await exportDocument(store)
      const state = fingerprint(current, document)
      if (expectedState !== undefined && expectedState !== state) {
        throw new HoldfastError('CONFLICT', 'cannot apply the plan: the collector has changed since it was made; nothing was changed', {
          hints: ['holdfast apply FILE --dry-run --save-plan PLAN'],
        })
      }
      const keyOf = (kind: PlannedKind, name: string): string => `${kind} ${kind === 'service' ? name : name.toLowerCase()}`
      const removed = new Set((await store.listRemoved()).map(({kind, name}) => keyOf(kind, name)))
      const changes = planChanges(current, document, {prune, wasRemoved: (kind, name) => removed.has(keyOf(kind, name))})
      planned = {state, changes}
      assertFewRemovals(changes, current, maxRemovals)
      for (const change of changes) await applyChange(change, document, {...call, store})
      if (isDryRun) throw new DryRun()
    }
    await call.store.transaction(make).catch((error: unknown) => {
      if (!(error instanceof DryRun)) throw error
    })
    const {state, changes} = planned
    if (!isDryRun) {
      await call.audit?.(
        changes.map(({action, kind, name}) => ({action: `${kind}.${action}`, object: name, outcome: 'granted' as const, rule: 'apply'})),
      )
    }
    return {isDryRun, state, changes: changes.map(({fields, ...change}) => ({...change, fields: fields.map((field) => ({...field}))}))}
  },
})

export const DOCUMENT_OPERATIONS = [exportAll, applyAll]
