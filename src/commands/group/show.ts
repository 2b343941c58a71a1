import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeGroups} from '../../lib/cli/collector-report.ts'
import type {Group} from '../../lib/collector/objects.ts'

export default class GroupShow extends CollectorCommand<Group> {
  static override readonly summary = 'Show a group and its members.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ops']
  static override readonly args = {name: Args.string({required: true, description: 'the group'})}

  async run(): Promise<Group> {
    const {args, flags} = await this.parse(GroupShow)
    const [collector, {showGroup}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const group = await collector.run(showGroup, {name: args.name})
    this.printRows(describeGroups([group]))
    return group
  }
}
