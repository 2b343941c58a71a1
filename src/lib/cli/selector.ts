/** Labels of pods as they are typed: `LABEL=VALUE`. */
import {HoldfastError} from '../core/errors.ts'

const LABEL =
  /^((?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)=([A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/

/** @throws {HoldfastError} USAGE */
export function parseSelector(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text): [string, string] => {
      const [, name, value = ''] = LABEL.exec(text) ?? []
      if (name !== undefined) return [name, value]
      throw new HoldfastError('USAGE', `cannot select pods by "${text}": it is no LABEL=VALUE`, {hints: ['--selector app=staging']})
    }),
  )
}
