import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describePrivileges} from '../../lib/cli/collector-report.ts'

interface PrivilegeListResult {
  readonly privileges: readonly {readonly privilege: string; readonly holders: readonly string[]}[]
}

export default class PrivilegeList extends CollectorCommand<PrivilegeListResult> {
  static override readonly summary = 'List who has which privilege.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<PrivilegeListResult> {
    const {flags} = await this.parse(PrivilegeList)
    const [collector, {listPrivileges}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const result = await collector.run(listPrivileges, {})
    this.printRows(describePrivileges(result.privileges))
    return result
  }
}
