/** A collector that is asked: in this process over its store, or over HTTP. */
import type {Static, TObject, TSchema} from 'typebox'
import {type Call, checkInput, type Operation} from './api/operation.ts'

export interface Collector {
  /** @throws {HoldfastError} what the operation says; USAGE when the input has not its shape. */
  run<Input extends TObject, Output extends TSchema>(operation: Operation<Input, Output>, input: Static<Input>): Promise<Static<Output>>
}

/** The collector of this machine: whoever may read its database may do everything. */
export function createLocalCollector(call: Omit<Call, 'caller'>): Collector {
  return {
    run: (operation, input) => operation.run(checkInput(operation, input), {...call, caller: {kind: 'machine'}}),
  }
}
