/** Failures that carry what was done: the command's ordinary result, failed items included. */
import {HoldfastError} from '../core/errors.ts'

/** Some of several items failed. */
export class PartialFailure extends HoldfastError {
  override readonly name = 'PartialFailure'
  readonly result: unknown

  constructor(message: string, result: unknown, hints: readonly string[] = []) {
    super('PARTIAL', message, {hints})
    this.result = result
  }
}

/** A signal stopped the command between its items. */
export class InterruptedPartway extends HoldfastError {
  override readonly name = 'InterruptedPartway'
  readonly result: unknown

  constructor(message: string, result: unknown, hints: readonly string[] = []) {
    super('INTERRUPTED', message, {hints})
    this.result = result
  }
}
