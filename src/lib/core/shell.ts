/** Words of a command for a POSIX shell: hints are pasted into one. */

/** What no POSIX shell gives a meaning, wherever it stands in a word. `~` and `=` have one at the beginning, and none that matters after it. */
const PLAIN_WORD = /^[A-Za-z0-9_./:@%+,-][A-Za-z0-9_./:@%+,=~-]*$/

/** A value as one word of a command: as it is, or in single quotes where a shell would split it or run what is in it. */
export function shellWord(value: string): string {
  return PLAIN_WORD.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}

/**
 * A command for a hint, whose values are quoted where they must be: `` shellCommand`holdfast copy ${source} ${target}` ``. A value is one word, and a list is one word for
 * each.
 */
export function shellCommand(parts: TemplateStringsArray, ...values: readonly (string | readonly string[])[]): string {
  return parts.reduce((command, part, index) => {
    const value = values[index - 1] ?? ''
    return `${command}${typeof value === 'string' ? shellWord(value) : value.map(shellWord).join(' ')}${part}`
  })
}
