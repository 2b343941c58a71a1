/**
 * Flags as Go's `flag` package reads them: one dash or two, `-x v` or `-x=v`, switches without a value; what comes last counts; its own words for what is wrong, and its own usage
 * (`flag.FlagSet` with `ExitOnError`, `PrintDefaults`). The tab of a usage's line is written as spaces.
 */
import {BuilderError} from './builder-error.ts'

interface GoFlag {
  /** `list`: a type of the program's own, which Go shows as `value`. */
  readonly kind: 'text' | 'switch' | 'number' | 'list'
  readonly usage: string
  /** As Go shows it; nothing is shown for an empty text, 0 and false. */
  readonly default?: string
}

export type GoFlagSet = Readonly<Record<string, GoFlag>>

/** Values as they were written. */
export type GoFlagValues = ReadonlyMap<string, readonly string[]>

/** `-h` or `-help`, which is not an error. */
export class UsageRequested extends Error {
  override readonly name = 'UsageRequested'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super('usage')
    this.lines = lines
  }
}

const SWITCH_VALUES: Readonly<Record<string, boolean>> = {
  '1': true,
  t: true,
  T: true,
  true: true,
  TRUE: true,
  True: true,
  '0': false,
  f: false,
  F: false,
  false: false,
  FALSE: false,
  False: false,
}
const HELP = ['h', 'help']
const MAX_INT = 2n ** 63n - 1n

/** @throws {BuilderError} exit code 2, with the usage; {UsageRequested} */
export function parseGoFlags(args: readonly string[], flags: GoFlagSet): GoFlagValues {
  const values = new Map<string, string[]>()
  const wrong = (message: string): BuilderError => new BuilderError(2, message, {more: usageLines(flags)})
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    // The first argument that is no flag ends them.
    if (!arg.startsWith('-') || arg === '-' || arg === '--') break
    const [, name = '', given] = /^--?([^=]*)(?:=([\s\S]*))?$/.exec(arg) ?? []
    if (name === '' || name.startsWith('-')) throw wrong(`bad flag syntax: ${arg}`)
    const kind = Object.hasOwn(flags, name) ? flags[name]?.kind : undefined
    if (kind === undefined && HELP.includes(name)) throw new UsageRequested(usageLines(flags))
    if (kind === undefined) throw wrong(`flag provided but not defined: -${name}`)
    let value = given
    if (kind === 'switch') value ??= 'true'
    else if (value === undefined) {
      index++
      value = args[index]
      if (value === undefined) throw wrong(`flag needs an argument: -${name}`)
    }
    if (kind === 'switch' && !Object.hasOwn(SWITCH_VALUES, value)) {
      throw wrong(`invalid boolean value ${quote(value)} for -${name}: parse error`)
    }
    if (kind === 'number') {
      const number = parseGoInteger(value)
      if (typeof number === 'string') throw invalidValue(flags, name, value, number)
      value = String(number)
    }
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return values
}

/** What Go says of a value that its flag does not take. */
export function invalidValue(flags: GoFlagSet, name: string, value: string, reason: string): BuilderError {
  return new BuilderError(2, `invalid value ${quote(value)} for flag -${name}: ${reason}`, {more: usageLines(flags)})
}

/** Whether a switch is on. */
export function isOn(values: GoFlagValues, name: string, otherwise = false): boolean {
  const value = values.get(name)?.at(-1)
  return value === undefined ? otherwise : SWITCH_VALUES[value] === true
}

function usageLines(flags: GoFlagSet): readonly string[] {
  return ['Usage of builder:', ...defaultLines(flags)]
}

const SHOWN_KINDS = {text: ' string', switch: '', number: ' int', list: ' value'} as const

/** As `PrintDefaults` writes them. */
export function defaultLines(flags: GoFlagSet): readonly string[] {
  return Object.entries(flags)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, {kind, usage, default: shown}]) => [
      `  -${name}${SHOWN_KINDS[kind]}`,
      `        ${usage}${shown === undefined ? '' : ` (default ${kind === 'text' ? quote(shown) : shown})`}`,
    ])
}

/** As `%q` writes it, for texts that are not unusual. */
function quote(value: string): string {
  return JSON.stringify(value)
}

/** `strconv.ParseInt(text, 0, 64)`: decimal, 0x, 0o, 0b, and octal after a zero; or what `flag` says of another text. */
function parseGoInteger(text: string): bigint | string {
  const [, sign = '', digits = ''] = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/.exec(text) ?? []
  if (digits === '') return 'parse error'
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  if (magnitude > (sign === '-' ? MAX_INT + 1n : MAX_INT)) return 'value out of range'
  return sign === '-' ? -magnitude : magnitude
}
