import * as Flags from '@oclif/core/flags'
import {type AppRow, describeAppRows} from '../../lib/cli/app-report.ts'
import {findAppRows} from '../../lib/cli/app-rows.ts'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {PLATFORM_FLAGS} from '../../lib/cli/staging-command.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class AppList extends CollectorCommand<{readonly apps: readonly AppRow[]}> {
  static override readonly summary = 'List apps: what each runs, cached and pinned or not, and who answers for it.'
  static override readonly description =
    'The apps of the platform (the targeted space of Cloud Foundry, else this machine) and those of the collector, by name. --drift asks the source of every cached copy what it names now.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --drift --json']
  static override readonly flags = {
    ...PLATFORM_FLAGS,
    drift: Flags.boolean({env: 'HOLDFAST_DRIFT', summary: 'Look whether the sources of cached copies have moved.'}),
  }

  async run(): Promise<{readonly apps: readonly AppRow[]}> {
    const {flags} = await this.parse(AppList)
    const apps = await findAppRows(this.openContext(flags), {...flags, hasDrift: flags.drift})
    this.printRows(
      describeAppRows(apps),
      text`there are no apps yet: holdfast app add CODE, or holdfast set-env APP DIEGO_DOCKER_CACHE true`,
    )
    return {apps}
  }
}
