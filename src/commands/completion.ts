import * as Args from '@oclif/core/args'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {COMPLETION_SHELLS, type CompletionShell, formatCompletion} from '../lib/cli/completion.ts'
import {completionWords} from '../lib/cli/completion-words.ts'

export interface CompletionResult {
  readonly shell: CompletionShell
  readonly script: string
}

export default class Completion extends BaseCommand<CompletionResult> {
  static override readonly summary = 'Print a script that completes commands and flags in your shell.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> bash > ~/.local/share/bash-completion/completions/holdfast',
    'source <(<%= config.bin %> <%= command.id %> zsh)   # in ~/.zshrc, after compinit',
    '<%= config.bin %> <%= command.id %> fish > ~/.config/fish/completions/holdfast.fish',
  ]
  static override readonly args = {
    shell: Args.custom<CompletionShell>({
      options: [...COMPLETION_SHELLS],
      parse: async (text) => COMPLETION_SHELLS.find((shell) => shell === text) ?? 'bash',
    })({required: true, description: 'Your shell.'}),
  }

  async run(): Promise<CompletionResult> {
    const {args} = await this.parse(Completion)
    const script = formatCompletion(args.shell, completionWords(this.config))
    this.output.printDocument(script)
    return {shell: args.shell, script}
  }
}
