import * as Args from '@oclif/core/args'
import {type AppRow, describeAppRows, describeStatus} from '../../lib/cli/app-report.ts'
import {findAppRow} from '../../lib/cli/app-rows.ts'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {PLATFORM_FLAGS} from '../../lib/cli/staging-command.ts'

export default class AppShow extends CollectorCommand<AppRow> {
  static override readonly summary = 'Show an app: what it runs, whether its source has moved since, and who answers for it.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {name: Args.string({required: true, description: 'its name or code'})}
  static override readonly flags = {...PLATFORM_FLAGS}

  async run(): Promise<AppRow> {
    const {args, flags} = await this.parse(AppShow)
    const app = await findAppRow(this.openContext(flags), args.name, flags)
    this.printRows(describeAppRows([app]))
    for (const line of app.status === undefined ? [] : describeStatus(app.status)) this.output.print(line)
    return app
  }
}
