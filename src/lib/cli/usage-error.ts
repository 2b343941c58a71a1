/** What oclif and inquirer throw, as errors of ours. */
import {HoldfastError} from '../core/errors.ts'

/** What oclif adds below the reason. */
const REMARKS = /\s*(?:\n\s*Note: --|See more help with --help)[\s\S]*$/
/** oclif draws lists and headings over several lines. */
const LINE_BREAKS = /\s*\n\s*/g

/** A refusal of the command line by oclif as USAGE; undefined when `thrown` is something else. */
export function usageError(thrown: unknown): HoldfastError | undefined {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return undefined
  const reason = thrown.message.replace(REMARKS, '').replace(LINE_BREAKS, ' ').trim()
  return new HoldfastError('USAGE', `cannot read the command line: ${reason}`, {hints: [helpCommand(thrown)], cause: thrown})
}

/** Ctrl-C at a prompt, or a signal that aborted something of Node's own. */
export function isInterruption(thrown: unknown): boolean {
  return thrown instanceof Error && ['ExitPromptError', 'AbortPromptError', 'AbortError'].includes(thrown.name)
}

function helpCommand(thrown: Error): string {
  const id = 'parse' in thrown ? commandId(thrown.parse) : undefined
  return id === undefined ? 'holdfast --help' : `holdfast ${id.replaceAll(':', ' ')} --help`
}

/** oclif's errors carry the parser's input, whose context is the command. */
function commandId(parse: unknown): string | undefined {
  const input = property(parse, 'input')
  const id = property(property(input, 'context'), 'id')
  return typeof id === 'string' ? id : undefined
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
