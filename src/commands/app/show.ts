import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeApps} from '../../lib/cli/collector-report.ts'
import type {App} from '../../lib/collector/objects.ts'

export default class AppShow extends CollectorCommand<App> {
  static override readonly summary = 'Show an app and its groups.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {name: Args.string({required: true, description: 'its code'})}

  async run(): Promise<App> {
    const {args, flags} = await this.parse(AppShow)
    const [collector, {showApp}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/apps.ts')])
    const app = await collector.run(showApp, {code: args.name})
    this.printRows(describeApps([app]), '')
    return app
  }
}
