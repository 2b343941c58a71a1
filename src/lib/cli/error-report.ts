/** From whatever was thrown to what is said about it: the error of the envelope, text for people, and an exit code. */
import {BuilderError} from '../builder/builder-error.ts'
import {HoldfastError, interrupted, RegistryError} from '../core/errors.ts'
import {excerpt, redactText} from '../core/redaction.ts'
import {escapeText, joinText, type TerminalText, text} from '../core/terminal-text.ts'
import type {Paint} from './paint.ts'
import {InterruptedPartway, PartialFailure} from './partial-failure.ts'
import {isInterruption, usageError} from './usage-error.ts'

/** The `error` of the envelope. */
export interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly hints: readonly string[]
  readonly retryable: boolean
  /** The status a registry answered with, where one did. */
  readonly httpStatus?: number
  readonly details?: Readonly<Record<string, unknown>>
}

export interface ErrorReport {
  readonly body: ErrorBody
  readonly exitCode: number
  /** What people are told instead, where another program's words are the contract. */
  readonly plain?: readonly string[]
  /** What succeeded all the same. */
  readonly result?: unknown
  /** Where it came from, cause by cause; shown with `--debug`. */
  readonly trace: readonly TerminalText[]
}

/** Causes looked at; a longer chain is a circle. */
const MAX_CAUSES = 10

/** Describes anything that was thrown while `commandId` ran; what is not one of our errors is a bug of ours. */
export function reportError(thrown: unknown, commandId?: string): ErrorReport {
  const error = toHoldfastError(thrown, commandId)
  const trace = causes(thrown).flatMap((cause, position) => describeCause(cause, position === 0 ? '' : 'caused by '))
  return {
    body: errorBody(error),
    exitCode: error.exitCode,
    trace,
    ...((error instanceof PartialFailure || error instanceof InterruptedPartway) && error.result !== undefined
      ? {result: error.result}
      : {}),
    ...(error instanceof BuilderError ? {plain: error.lines} : {}),
  }
}

/** The `error` of an envelope, or of one of several items. */
export function errorBody(thrown: unknown): ErrorBody {
  const error = toHoldfastError(thrown)
  const registryError = causes(error).find((cause) => cause instanceof RegistryError)
  return {
    code: error.code,
    message: error.message,
    hints: error.hints,
    retryable: error.retryable,
    ...(registryError === undefined ? {} : {httpStatus: registryError.httpStatus}),
    ...(Object.keys(error.details).length === 0 ? {} : {details: error.details}),
  }
}

/** Lines for people: what failed, its code, and what to try. */
export function formatError(body: ErrorBody, paint: Paint, plain?: readonly string[]): readonly TerminalText[] {
  if (plain !== undefined) return plain.map(escapeText)
  return [
    joinText([paint.error(text`Error:`), escapeText(body.message), paint.faint(text`(${body.code})`)]),
    ...(body.hints.length === 0 ? [] : [text`Try:`, ...body.hints.map((hint) => text`  ${hint}`)]),
  ]
}

function toHoldfastError(thrown: unknown, commandId?: string): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown
  if (isInterruption(thrown)) return interrupted()
  const usage = usageError(thrown, commandId)
  if (usage !== undefined) return usage
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new HoldfastError('INTERNAL', `cannot go on: ${redactText(excerpt(reason))}`, {
    hints: ['run the same command with --debug and report what it prints'],
    cause: thrown,
  })
}

function causes(thrown: unknown): readonly unknown[] {
  const chain: unknown[] = []
  for (let cause = thrown; cause !== undefined && chain.length < MAX_CAUSES; cause = cause instanceof Error ? cause.cause : undefined) {
    chain.push(cause)
  }
  return chain
}

/** One line that says what was thrown, then one for each frame: a message of several lines cannot pass for frames. */
function describeCause(cause: unknown, introduction: string): readonly TerminalText[] {
  if (!(cause instanceof Error)) return [escapeText(redactText(`${introduction}${cause}`))]
  const {name, message, stack = ''} = cause
  const frames = stack
    .slice(stack.indexOf(message) + message.length)
    .split('\n')
    .slice(1)
  return [`${introduction}${name}: ${message}`, ...frames].map((line) => escapeText(redactText(line)))
}
