import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class GroupRemove extends CollectorCommand<{readonly removed: string}> {
  static override readonly summary = 'Remove a group; what was published to it is not any more.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ops --yes']
  static override readonly args = {name: Args.string({required: true, description: 'the group'})}
  static override readonly flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<{readonly removed: string}> {
    const {args, flags} = await this.parse(GroupRemove)
    const {name} = args
    const [collector, {removeGroup}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const question = {message: text`Remove group ${name}?`, flag: `holdfast group remove ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `group "${name}" was not removed`)
    const result = await collector.run(removeGroup, {name: name})
    this.output.print(escapeText(name))
    return result
  }
}
