import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class UserRestore extends CollectorCommand<{readonly restored: string; readonly id: number}> {
  static override readonly summary = 'Restore a user who was removed, with the same name, id, groups and privileges.'
  static override readonly description =
    `The password is not restored: the user logs in after "user update NAME --password-stdin". Images below users/NAME/ are the user's again. "collector removed" lists what can be restored.`
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ann']
  static override readonly args = {name: Args.string({required: true, description: 'the user'})}

  async run(): Promise<{readonly restored: string; readonly id: number}> {
    const {args, flags} = await this.parse(UserRestore)
    const [collector, {restoreUser}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(restoreUser, {name: args.name})
    this.output.print(escapeText(result.restored))
    this.output.note(text`${result.restored} is user ${result.id} again`)
    return result
  }
}
