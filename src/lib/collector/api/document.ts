import {Type} from 'typebox'
import {applyChange} from '../document/apply.ts'
import {DocumentShape} from '../document/document.ts'
import {exportDocument} from '../document/export.ts'
import {planChanges} from '../document/plan.ts'
import {assertAdministrator, defineOperation, shape} from './operation.ts'
import {Nothing} from './shapes.ts'

const ChangeShape = shape({
  action: Type.Enum(['add', 'change', 'remove']),
  kind: Type.Enum(['policy', 'group', 'user', 'app', 'service', 'registry']),
  name: Type.String(),
  fields: Type.Array(shape({field: Type.String(), from: Type.Optional(Type.Unknown()), to: Type.Optional(Type.Unknown())})),
})

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

export const applyAll = defineOperation({
  id: 'document.apply',
  method: 'POST',
  path: '/document',
  summary: 'Makes the collector what a document says; what it does not name stays, unless it is to be pruned.',
  input: shape({document: DocumentShape, isDryRun: Type.Optional(Type.Boolean()), prune: Type.Optional(Type.Boolean())}),
  output: shape({isDryRun: Type.Boolean(), changes: Type.Array(ChangeShape)}),
  async run({document, isDryRun = false, prune = false}, call) {
    assertAdministrator(call, 'apply a document')
    const changes = planChanges(await exportDocument(call.store), document, {prune})
    if (!isDryRun) for (const change of changes) await applyChange(change, document, call)
    return {isDryRun, changes: changes.map(({fields, ...change}) => ({...change, fields: fields.map((field) => ({...field}))}))}
  },
})

export const DOCUMENT_OPERATIONS = [exportAll, applyAll]
