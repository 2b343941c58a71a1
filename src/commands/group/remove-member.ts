import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeGroups} from '../../lib/cli/collector-report.ts'
import type {Group} from '../../lib/collector/objects.ts'

export default class GroupRemoveMember extends CollectorCommand<Group> {
  static override readonly summary = 'Take users out of a group.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ops ann bob']
  static override readonly strict = false
  static override readonly args = {
    group: Args.string({required: true, description: 'the group'}),
    user: Args.string({required: true, description: 'a user; more may follow'}),
  }

  async run(): Promise<Group> {
    const {args, argv, flags} = await this.parse(GroupRemoveMember)
    const [collector, {removeMembers}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const group = await collector.run(removeMembers, {name: args.group, users: [...new Set(argv.slice(1).map(String))]})
    this.printRows(describeGroups([group]))
    return group
  }
}
