import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeServices} from '../../lib/cli/collector-report.ts'
import type {Service} from '../../lib/collector/objects.ts'

export default class ServiceShow extends CollectorCommand<Service> {
  static override readonly summary = 'Show a service.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> web']
  static override readonly args = {name: Args.string({required: true, description: 'the service'})}

  async run(): Promise<Service> {
    const {args, flags} = await this.parse(ServiceShow)
    const [collector, {showService}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const service = await collector.run(showService, {name: args.name})
    this.printRows(describeServices([service]))
    return service
  }
}
