import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {chooseRegistry} from '../../lib/cli/choose-registry.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface RemovedRegistry {
  readonly name: string
  readonly host: string
}

export default class RegistryRemove extends BaseCommand<RemovedRegistry> {
  static override summary = 'Forget a declared registry; its images stay where they are.'

  static override examples = ['<%= config.bin %> <%= command.id %> internal', '<%= config.bin %> <%= command.id %> internal --yes']

  static override args = {name: Args.string({description: 'its name or host'})}

  static override flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<RemovedRegistry> {
    const {args, flags} = await this.parse(RegistryRemove)
    const store = await this.openContext(flags).records()
    const [{requireRegistry}, {removeRegistry}] = await Promise.all([
      import('../../lib/registries/find.ts'),
      import('../../lib/registries/declare.ts'),
    ])
    const {name, host} = await requireRegistry(store, await chooseRegistry(args.name, store, this.prompts, 'remove'))
    const question = {message: text`Forget registry ${name} (${host})?`, flag: `holdfast registry remove ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `registry "${name}" was not removed`)
    await removeRegistry(store, name)
    this.output.print(escapeText(name))
    this.output.note(text`${host} is not declared any more; what is cached there stays`)
    return {name, host}
  }
}
