import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {Group} from '../../lib/collector/objects.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'

export default class GroupAdd extends CollectorCommand<Group> {
  static override readonly summary = 'Add an organisational group to the collector.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ops']
  static override readonly args = {name: Args.string({required: true, description: 'the new group'})}

  async run(): Promise<Group> {
    const {args, flags} = await this.parse(GroupAdd)
    const [collector, {addGroup}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const group = await collector.run(addGroup, {name: args.name})
    this.output.print(escapeText(group.name))
    return group
  }
}
