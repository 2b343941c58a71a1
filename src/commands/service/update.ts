import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeServices} from '../../lib/cli/collector-report.ts'
import type {Service} from '../../lib/collector/objects.ts'

export default class ServiceUpdate extends CollectorCommand<Service> {
  static override readonly summary = 'Disable a service, or enable it again.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> web --disabled',
    '<%= config.bin %> <%= command.id %> web --no-disabled',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'the service'})}
  static override readonly flags = {
    disabled: Flags.boolean({
      required: true,
      allowNo: true,
      env: 'HOLDFAST_DISABLED',
      summary: 'Take everything away, or give it back with --no-disabled.',
    }),
  }

  async run(): Promise<Service> {
    const {args, flags} = await this.parse(ServiceUpdate)
    const [collector, {updateService}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const service = await collector.run(updateService, {name: args.name, isDisabled: flags.disabled})
    this.printRows(describeServices([service]))
    return service
  }
}
