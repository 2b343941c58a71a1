import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeApps} from '../../lib/cli/collector-report.ts'
import type {App} from '../../lib/collector/objects.ts'

export default class AppList extends CollectorCommand<{readonly apps: readonly App[]}> {
  static override readonly summary = 'List the apps of the collector.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly apps: readonly App[]}> {
    const {flags} = await this.parse(AppList)
    const [collector, {listApps}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/apps.ts')])
    const result = await collector.run(listApps, {})
    this.printRows(describeApps(result.apps), 'there are no apps yet: holdfast app add CODE')
    return result
  }
}
