/** Some of several items failed: the error that carries what became of all of them. */
import {HoldfastError} from '../core/errors.ts'

export class PartialFailure extends HoldfastError {
  override readonly name = 'PartialFailure'
  /** The command's ordinary result, failed items included. */
  readonly result: unknown

  constructor(message: string, result: unknown, hints: readonly string[] = []) {
    super('PARTIAL', message, {hints})
    this.result = result
  }
}
