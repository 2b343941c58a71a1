/** Runs operations, and writes into the audit log who did, or was refused, what. */
import type {Static, TObject, TSchema} from 'typebox'
import {HoldfastError} from '../../core/errors.ts'
import type {AuditEntry} from '../store.ts'
import type {Call, Caller, Operation} from './operation.ts'

/** The owner of the machine, in the audit log and in events: no user can be called so. */
const MACHINE = '#machine'
/** A document that is applied has megabytes. */
const MAX_OBJECT_CHARACTERS = 4096

/** Where a call comes from. */
export interface Origin {
  readonly requestId: string
  readonly address: string
}

/** What the caller is called in the audit log and in events. */
export function callerName(caller: Caller): string {
  return caller.kind === 'machine' ? MACHINE : caller.user.name
}

/** Does the work of an operation. What changes something is written down, and so is every refusal; the reading of the machine's own owner is not. */
export async function runOperation<Input extends TObject, Output extends TSchema>(
  operation: Operation<Input, Output>,
  input: Static<Input>,
  call: Omit<Call, 'audit'>,
  {requestId, address}: Origin,
): Promise<Static<Output>> {
  const {caller, store} = call
  const isReading = operation.method === 'GET'
  const principal = callerName(caller)
  const audit: NonNullable<Call['audit']> = (entries) =>
    store.appendAudit(entries.map((entry) => ({requestId, principal, address, ...entry})))
  const own = (outcome: AuditEntry['outcome'], rule: string): Promise<void> =>
    audit([{action: operation.id, object: objectOf(input, operation), outcome, rule}])
  try {
    const output = await operation.run(input, {...call, audit})
    if (!isReading) await own('granted', '-')
    return output
  } catch (error) {
    const rule = error instanceof HoldfastError ? error.code : 'INTERNAL'
    if (!(isReading && caller.kind === 'machine')) await own(rule === 'DENIED' ? 'refused' : 'failed', rule)
    throw error
  }
}

/** What an entry of the audit log is about: the input, without its secrets. */
function objectOf(input: object, {secretInputs = []}: Pick<Operation, 'secretInputs'>): string {
  const text = JSON.stringify(Object.fromEntries(Object.entries(input).filter(([name]) => !secretInputs.includes(name))))
  return text.length > MAX_OBJECT_CHARACTERS ? `${text.slice(0, MAX_OBJECT_CHARACTERS)}…` : text
}
