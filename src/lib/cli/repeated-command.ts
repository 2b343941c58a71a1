/** Hints that repeat the command that has run keep the flags that it was given: without them it would do something else. */
import {shellWord} from '../core/shell.ts'

/** A flag of the command line, with its value where it takes one. */
export interface GivenFlag {
  readonly name: string
  /** Undefined for a flag that takes none. */
  readonly value?: string | undefined
  /** It was given as `--no-NAME`. */
  readonly isNegated?: boolean
  /** Flags that do not go with it. */
  readonly exclusive?: readonly string[]
}

/** They say how a command reports, and `--all` says which objects it is for, which a hint names. */
const NOT_REPEATED: ReadonlySet<string> = new Set(['json', 'quiet', 'debug', 'help', 'all'])

/** The part of a hint that is not arguments: a comment, a redirection, or another command. */
const REST = /\s+(?:#|<|>|\||&&|;).*$/s

/**
 * The hint with every flag of `given` that it neither has nor excludes, its comment included, where it is the command `command` (`tag delete`) again; every other hint as
 * it is.
 */
export function keepGivenFlags(hint: string, command: string, given: readonly GivenFlag[]): string {
  const start = `holdfast ${command}`
  if ((hint !== start && !hint.startsWith(`${start} `)) || names(hint, 'help')) return hint
  const missing = given.filter(
    ({name, exclusive = []}) => !NOT_REPEATED.has(name) && !names(hint, name) && !exclusive.some((other) => names(hint, other)),
  )
  const rest = REST.exec(hint)?.[0] ?? ''
  return [hint.slice(0, hint.length - rest.length), ...missing.map(words)].join(' ') + rest
}

function names(hint: string, flag: string): boolean {
  return new RegExp(`(?:^|\\s)--(?:no-)?${flag}(?![a-z0-9-])`).test(hint)
}

function words({name, value, isNegated = false}: GivenFlag): string {
  if (value === undefined) return isNegated ? `--no-${name}` : `--${name}`
  // A value that begins with a dash would pass for a flag.
  return value.startsWith('-') ? shellWord(`--${name}=${value}`) : `--${name} ${shellWord(value)}`
}
