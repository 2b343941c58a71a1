import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeRemoved} from '../../lib/cli/collector-report.ts'
import type {RemovedObject} from '../../lib/collector/store.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class CollectorRemoved extends CollectorCommand<{readonly removed: readonly RemovedObject[]}> {
  static override readonly summary = 'List users, groups, apps, services and registries that were removed and can be restored.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly removed: readonly RemovedObject[]}> {
    const {flags} = await this.parse(CollectorRemoved)
    const [collector, {listRemoved}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(listRemoved, {})
    this.printRows(describeRemoved(result.removed), text`nothing was removed`)
    return result
  }
}
