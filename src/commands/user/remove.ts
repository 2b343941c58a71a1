import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class UserRemove extends CollectorCommand<{readonly removed: string}> {
  static override readonly summary = 'Remove a user. The name is not given to another user; "user restore" brings the user back.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ann --yes']
  static override readonly args = {name: Args.string({required: true, description: 'the user'})}
  static override readonly flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<{readonly removed: string}> {
    const {args, flags} = await this.parse(UserRemove)
    const {name} = args
    const [collector, {removeUser}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/users.ts')])
    const question = {message: text`Remove user ${name}?`, flag: `holdfast user remove ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `user "${name}" was not removed`)
    const result = await collector.run(removeUser, {name: name})
    this.output.print(escapeText(name))
    return result
  }
}
