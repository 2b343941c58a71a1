/** Flags as Go's `flag` package reads them: one dash or two, `-x v` or `-x=v`, switches without a value; what comes last counts; its own words for what is wrong. */
import {BuilderError} from './builder-error.ts'

type Kind = 'text' | 'switch' | 'number'

export type GoFlagKinds = Readonly<Record<string, Kind>>

/** Values as they were written. */
export type GoFlagValues = ReadonlyMap<string, readonly string[]>

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

/** @throws {BuilderError} exit code 2 */
export function parseGoFlags(args: readonly string[], kinds: GoFlagKinds): GoFlagValues {
  const values = new Map<string, string[]>()
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? ''
    // The first argument that is no flag ends them.
    if (!arg.startsWith('-') || arg === '-' || arg === '--') break
    const [, name = '', given] = /^--?([^=]*)(?:=([\s\S]*))?$/.exec(arg) ?? []
    if (name === '' || name.startsWith('-')) throw new BuilderError(2, `bad flag syntax: ${arg}`)
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (kind === undefined) throw new BuilderError(2, `flag provided but not defined: -${name}`)
    let value = given
    if (kind === 'switch') value ??= 'true'
    else if (value === undefined) {
      index++
      value = args[index]
      if (value === undefined) throw new BuilderError(2, `flag needs an argument: -${name}`)
    }
    if (kind === 'switch' && !Object.hasOwn(SWITCH_VALUES, value)) {
      throw new BuilderError(2, `invalid boolean value "${value}" for -${name}: parse error`)
    }
    if (kind === 'number' && !/^[+-]?[0-9]{1,15}$/.test(value)) {
      throw new BuilderError(2, `invalid value "${value}" for flag -${name}: parse error`)
    }
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return values
}

/** Whether a switch is on. */
export function isOn(values: GoFlagValues, name: string, otherwise = false): boolean {
  const value = values.get(name)?.at(-1)
  return value === undefined ? otherwise : SWITCH_VALUES[value] === true
}
