import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class ServiceRemove extends CollectorCommand<{readonly removed: string}> {
  static override readonly summary = 'Remove a service.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> web --yes']
  static override readonly args = {name: Args.string({required: true, description: 'the service'})}
  static override readonly flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<{readonly removed: string}> {
    const {args, flags} = await this.parse(ServiceRemove)
    const {name} = args
    const [collector, {removeService}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const question = {message: text`Remove service ${name}?`, flag: `holdfast service remove ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `service "${name}" was not removed`)
    const result = await collector.run(removeService, {name: name})
    this.output.print(escapeText(name))
    return result
  }
}
