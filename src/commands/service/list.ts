import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeServices} from '../../lib/cli/collector-report.ts'
import type {Service} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class ServiceList extends CollectorCommand<{readonly services: readonly Service[]}> {
  static override readonly summary = 'List the services of the collector.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly services: readonly Service[]}> {
    const {flags} = await this.parse(ServiceList)
    const [collector, {listServices}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const result = await collector.run(listServices, {})
    this.printRows(describeServices(result.services), text`there are no services yet: holdfast service add NAME --app CODE`)
    return result
  }
}
