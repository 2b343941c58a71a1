import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class AppRemove extends CollectorCommand<{readonly removed: string}> {
  static override readonly summary = 'Remove an app with its services; the code is not given again.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop --yes']
  static override readonly args = {name: Args.string({required: true, description: 'the app'})}
  static override readonly flags = {yes: Flags.boolean({char: 'y', summary: 'Do not ask.'})}

  async run(): Promise<{readonly removed: string}> {
    const {args, flags} = await this.parse(AppRemove)
    const {name} = args
    const [collector, {removeApp}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/apps.ts')])
    const question = {message: text`Remove app ${name}?`, flag: `holdfast app remove ${name} --yes`}
    if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `app "${name}" was not removed`)
    const result = await collector.run(removeApp, {code: name})
    this.output.print(escapeText(name))
    return result
  }
}
