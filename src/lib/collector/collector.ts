/** A collector that is asked: in this process over its store, or over HTTP. */
import {randomUUID} from 'node:crypto'
import type {Static, TObject, TSchema} from 'typebox'
import {type Call, checkInput, type Operation} from './api/operation.ts'
import {runOperation} from './api/run-operation.ts'

export interface Collector {
  /** @throws {HoldfastError} what the operation says; USAGE when the input has not its shape. */
  run<Input extends TObject, Output extends TSchema>(operation: Operation<Input, Output>, input: Static<Input>): Promise<Static<Output>>
}

/** In the audit log, for calls that did not come over a network. */
const LOCAL_ADDRESS = '-'

/** The collector of this machine: whoever may read its database may do everything. */
export function createLocalCollector(call: Omit<Call, 'caller'>): Collector {
  return {
    run: (operation, input) => {
      const origin = {requestId: randomUUID(), address: LOCAL_ADDRESS}
      return runOperation(operation, checkInput(operation, input), {...call, caller: {kind: 'machine'}}, origin)
    },
  }
}
