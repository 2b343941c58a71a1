import * as Args from '@oclif/core/args'
import {openPlatform, type PlatformPlace} from '../../lib/cli/app-platform.ts'
import {type AppRow, describeAppRows, describeStatus} from '../../lib/cli/app-report.ts'
import {findAppRow} from '../../lib/cli/app-rows.ts'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {PLATFORM_FLAGS} from '../../lib/cli/staging-command.ts'

export default class AppShow extends CollectorCommand<AppRow & PlatformPlace> {
  static override readonly summary = 'Show an app: what it runs, whether its source has moved since, and who answers for it.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {name: Args.string({required: true, description: 'its name or code'})}
  static override readonly flags = {...PLATFORM_FLAGS}

  async run(): Promise<AppRow & PlatformPlace> {
    const {args, flags} = await this.parse(AppShow)
    const context = this.openContext(flags)
    const {platform, place} = await openPlatform(context, flags.cf)
    const app = await findAppRow(context, args.name, {platform, collector: flags.collector})
    this.printRows(describeAppRows([app]))
    for (const line of app.status === undefined ? [] : describeStatus(app.status)) this.output.print(line)
    return {...place, ...app}
  }
}
