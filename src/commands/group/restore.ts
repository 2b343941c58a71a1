import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class GroupRestore extends CollectorCommand<{readonly restored: string; readonly id: number}> {
  static override readonly summary = 'Restore a group that was removed, with the same name, id, members and roles.'
  static override readonly description =
    `Members, apps and registries that are still there are as they were. "collector removed" lists what can be restored.`
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ops']
  static override readonly args = {name: Args.string({required: true, description: 'the group'})}

  async run(): Promise<{readonly restored: string; readonly id: number}> {
    const {args, flags} = await this.parse(GroupRestore)
    const [collector, {restoreGroup}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(restoreGroup, {name: args.name})
    this.output.print(escapeText(result.restored))
    this.output.note(text`${result.restored} is group ${result.id} again`)
    return result
  }
}
