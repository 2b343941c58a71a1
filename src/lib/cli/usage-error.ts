/** What oclif and inquirer throw, as errors of ours. */
import {HoldfastError} from '../core/errors.ts'

/** What oclif adds below the reason. */
const REMARKS = /\s*(?:\n\s*Note: --|See more help with --help)[\s\S]*$/
/** oclif draws lists and headings over several lines. */
const LINE_BREAKS = /\s*\n\s*/g

/** A refusal of the command line of `commandId` by oclif as USAGE; undefined when `thrown` is something else. */
export function usageError(thrown: unknown, commandId = ''): HoldfastError | undefined {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return undefined
  const reason = thrown.message.replace(REMARKS, '').replace(LINE_BREAKS, ' ').trim()
  const hints = [['holdfast', ...commandId.split(':'), '--help'].filter((word) => word !== '').join(' ')]
  return new HoldfastError('USAGE', `cannot read the command line: ${reason}`, {hints, cause: thrown})
}

/** Ctrl-C at a prompt, or a signal that aborted something of Node's own. */
export function isInterruption(thrown: unknown): boolean {
  return thrown instanceof Error && ['ExitPromptError', 'AbortPromptError', 'AbortError'].includes(thrown.name)
}
