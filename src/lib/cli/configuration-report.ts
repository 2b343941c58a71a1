/** A change of `credHelpers` as a diff. Shows the entries alone: the lines around them may hold passwords. */
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {HelperChange} from '../credentials/configure-docker/configure.ts'

export interface ConfigurationChange {
  readonly path: string
  readonly changes: readonly HelperChange[]
}

/** The lines of the diff; none without changes. */
export function describeChange({path, changes}: ConfigurationChange): readonly TerminalText[] {
  if (changes.length === 0) return []
  return [
    text`--- ${path}`,
    text`+++ ${path}`,
    text`@@ credHelpers @@`,
    ...changes.flatMap(({registry, from, to}) => [
      ...(from === undefined ? [] : [text`-  ${JSON.stringify(registry)}: ${JSON.stringify(from)}`]),
      ...(to === undefined ? [] : [text`+  ${JSON.stringify(registry)}: ${JSON.stringify(to)}`]),
    ]),
  ]
}
