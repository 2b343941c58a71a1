/** Completion scripts: everything they offer is written into them, so that pressing Tab starts no program. */

export const COMPLETION_SHELLS = ['bash', 'zsh', 'fish'] as const
export type CompletionShell = (typeof COMPLETION_SHELLS)[number]

export interface FlagWords {
  /** With its dashes. */
  readonly name: string
  readonly summary: string
  readonly takesValue: boolean
  /** What the value is limited to; empty when it is free, and files are offered then. */
  readonly values: readonly string[]
}

export interface CommandWords {
  /** One word, or two with a space: `registry add`. */
  readonly name: string
  readonly summary: string
  readonly flags: readonly FlagWords[]
  /** What its arguments are limited to. */
  readonly values: readonly string[]
}

/** The script for a shell; ends in a newline. */
export function formatCompletion(shell: CompletionShell, commands: readonly CommandWords[]): string {
  if (shell === 'fish') return formatFish(commands)
  const bash = formatBash(commands)
  // zsh runs the script for bash through its own emulation of bash's completion.
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`
}

function formatBash(commands: readonly CommandWords[]): string {
  const commandCases = commands.map(
    ({name, flags, values}) => `    ${quote(name)}) words=${quote([...values, ...flags.map((flag) => flag.name)].join(' '))} ;;`,
  )
  const topics = [...subcommands(commands)].map(([topic, words]) => `    ${quote(topic)}) words=${quote(words.join(' '))} ;;`)
  const valueCases = commands.flatMap(({name, flags}) =>
    flags
      .filter(({takesValue}) => takesValue)
      .map((flag) => `    ${quote(`${name} ${flag.name}`)}) values=${quote(flag.values.join(' '))} ;;`),
  )
  return `# Completion of holdfast for bash.
_holdfast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" command="" words="" values="" first="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -gt 1 ]; then
    previous="\${COMP_WORDS[COMP_CWORD-1]}"
    command="$first"
    case "$first" in
    ${[...subcommands(commands).keys()].map(quote).join('|') || "''"}) if [ "$COMP_CWORD" -gt 2 ]; then command="$first \${COMP_WORDS[2]}"; fi ;;
    esac
  else
    words=${quote(firstWords(commands).join(' '))}
  fi
  case "$command $previous" in
${valueCases.join('\n')}
    *) values="-" ;;
  esac
  if [ -n "$command" ] && [ "$values" != "-" ]; then
    if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi
    return
  fi
  case "$command" in
    '') ;;
${[...topics, ...commandCases].join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _holdfast holdfast
`
}

function formatFish(commands: readonly CommandWords[]): string {
  const topics = subcommands(commands)
  const lines = [
    '# Completion of holdfast for fish.',
    'complete -c holdfast -f',
    ...firstWords(commands).map((word) => {
      const summary = commands.find(({name}) => name === word)?.summary ?? ''
      return `complete -c holdfast -n __fish_use_subcommand -a ${quote(word)} -d ${quote(summary)}`
    }),
    ...[...topics].flatMap(([topic, words]) =>
      words.map((word) => {
        const summary = commands.find(({name}) => name === `${topic} ${word}`)?.summary ?? ''
        const isOpen = `__fish_seen_subcommand_from ${topic}; and not __fish_seen_subcommand_from ${words.join(' ')}`
        return `complete -c holdfast -n ${quote(isOpen)} -a ${quote(word)} -d ${quote(summary)}`
      }),
    ),
    ...commands.flatMap(({name, flags, values}) => {
      const isSeen = name
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and ')
      const condition = `-n ${quote(isSeen)}`
      return [
        ...values.map((value) => `complete -c holdfast ${condition} -a ${quote(value)}`),
        ...flags.map((flag) => {
          const value = flag.takesValue ? (flag.values.length === 0 ? ' -r -F' : ` -x -a ${quote(flag.values.join(' '))}`) : ''
          return `complete -c holdfast ${condition} -l ${flag.name.slice(2)}${value} -d ${quote(flag.summary)}`
        }),
      ]
    }),
  ]
  return `${lines.join('\n')}\n`
}

/** Commands of one word and topics. */
function firstWords(commands: readonly CommandWords[]): readonly string[] {
  return [...new Set(commands.map(({name}) => name.split(' ')[0] ?? name))]
}

/** The second words of each topic. */
function subcommands(commands: readonly CommandWords[]): ReadonlyMap<string, readonly string[]> {
  const topics = new Map<string, string[]>()
  for (const {name} of commands) {
    const [topic = '', word] = name.split(' ')
    if (word !== undefined) topics.set(topic, [...(topics.get(topic) ?? []), word])
  }
  return topics
}

/** One word of a shell, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`
}
