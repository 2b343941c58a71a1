import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface AllowedHelper {
  readonly name: string
  readonly isAllowed: boolean
}

export default class AuthAllowHelper extends BaseCommand<AllowedHelper> {
  static override readonly summary = 'Allow a credential helper to be run where the configuration of docker or podman names it.'
  static override readonly description =
    'A file alone does not decide which programs Holdfast starts: docker-credential-NAME is run once you have allowed it here, or for one run with --allow-helper NAME.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> secretservice',
    '<%= config.bin %> <%= command.id %> secretservice --remove',
  ]
  static override readonly args = {
    name: Args.string({required: true, description: 'what follows docker-credential- in the name of the program'}),
  }
  static override readonly flags = {remove: Flags.boolean({env: 'HOLDFAST_REMOVE', summary: 'Allow it no longer.'})}

  async run(): Promise<AllowedHelper> {
    const {args, flags} = await this.parse(AuthAllowHelper)
    const {name} = args
    const {isHelperName} = await import('../../lib/credentials/docker-config/helper.ts')
    if (!isHelperName(name)) {
      throw new HoldfastError('USAGE', `cannot allow credential helper "${name.slice(0, 100)}": a name has letters, digits, and . _ -`, {
        hints: ['holdfast auth allow-helper secretservice  # means the program docker-credential-secretservice'],
      })
    }
    const records = await this.openContext(flags).records()
    if (flags.remove) {
      const existed = await records.disallowHelper(name)
      this.output.note(text`docker-credential-${name} ${existed ? 'is not run any more' : 'was not allowed'}`)
    } else {
      await records.allowHelper(name)
      this.output.note(text`docker-credential-${name} is run where docker's or podman's configuration names it`)
    }
    this.output.print(escapeText(name))
    return {name, isAllowed: !flags.remove}
  }
}
