import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeGroups} from '../../lib/cli/collector-report.ts'
import type {Group} from '../../lib/collector/objects.ts'

export default class GroupList extends CollectorCommand<{readonly groups: readonly Group[]}> {
  static override readonly summary = 'List the groups of the collector, privileges among them.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly groups: readonly Group[]}> {
    const {flags} = await this.parse(GroupList)
    const [collector, {listGroups}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const result = await collector.run(listGroups, {})
    this.printRows(describeGroups(result.groups))
    return result
  }
}
