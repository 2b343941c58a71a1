import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class RegistryUnmanage extends CollectorCommand<{readonly removed: string}> {
  static override readonly summary = 'Give up the authority over a registry. Its images stay.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal --yes']
  static override readonly args = {name: Args.string({required: true, description: 'the registry'})}
  static override readonly flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<{readonly removed: string}> {
    const {args, flags} = await this.parse(RegistryUnmanage)
    const {name} = args
    const [collector, {showManagedRegistry, unmanageRegistry}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/registries.ts'),
    ])
    const question = {message: text`Give up the authority over ${name}?`, flag: `holdfast registry unmanage ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `registry "${name}" stays managed`)
    const registry = await collector.run(showManagedRegistry, {name})
    const result = await collector.run(unmanageRegistry, {name})
    const {distrustCollector} = await import('../../lib/cli/collector-realm.ts')
    await distrustCollector(await this.openContext(flags).records(), registry)
    this.output.print(escapeText(name))
    return result
  }
}
