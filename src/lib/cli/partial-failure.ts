/** Failures that carry what was done: the command's ordinary result, failed items included. */
import {HoldfastError, type HoldfastErrorOptions} from '../core/errors.ts'

/** Some of several items failed. */
export class PartialFailure extends HoldfastError {
  override readonly name = 'PartialFailure'
  readonly result: unknown

  constructor(message: string, result: unknown, hints: readonly string[] = []) {
    super('PARTIAL', message, {hints})
    this.result = result
  }
}

/** What stays when a command is stopped now. */
export interface Leftover {
  /** Completes "stopped by a signal: …". */
  readonly left: string
  readonly hints?: readonly string[]
  /** What is done: the command's ordinary result, as far as it goes. */
  readonly result?: unknown
}

/** A signal stopped a command that says what it left. */
export class InterruptedPartway extends HoldfastError {
  override readonly name = 'InterruptedPartway'
  readonly result: unknown

  constructor({left, hints = [], result}: Leftover, details: HoldfastErrorOptions['details'] = {}) {
    super('INTERRUPTED', `stopped by a signal: ${left}`, {hints, details})
    this.result = result
  }
}
