/** The words of the command line, read from the manifest. */
import type {Config} from '@oclif/core/interfaces'
import type {CommandWords, FlagWords} from './completion.ts'

/** Every command that help shows, under each of its names, with its flags and the values they are limited to. */
export function completionWords(config: Pick<Config, 'commands'>): readonly CommandWords[] {
  return config.commands
    .filter(({hidden}) => hidden !== true)
    .flatMap((command) => {
      const flags = Object.values(command.flags)
        .filter(({hidden}) => hidden !== true)
        .map((flag): FlagWords => {
          const values = flag.type === 'option' ? (flag.options ?? []) : []
          return {name: `--${flag.name}`, summary: flag.summary ?? '', takesValue: flag.type === 'option', values}
        })
      const values = Object.values(command.args).flatMap((arg) => arg.options ?? [])
      const names = [command.id, ...command.aliases, ...command.hiddenAliases].map((id) => id.replaceAll(':', ' '))
      return names.map((name): CommandWords => ({name, summary: command.summary ?? '', flags, values}))
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
