import * as Flags from '@oclif/core/flags'
import {openPlatform, type PlatformPlace} from '../../lib/cli/app-platform.ts'
import {type AppRow, describeAppRows} from '../../lib/cli/app-report.ts'
import {findAppRows} from '../../lib/cli/app-rows.ts'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {PLATFORM_FLAGS} from '../../lib/cli/staging-command.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface AppRows extends PlatformPlace {
  readonly apps: readonly AppRow[]
}

export default class AppList extends CollectorCommand<AppRows> {
  static override readonly summary = 'List apps: what each runs, cached and pinned or not, and who answers for it.'
  static override readonly description =
    'The apps of the platform (the targeted space of Cloud Foundry, else this machine) and those of the collector, by name. --drift asks the source of every cached copy what it names now.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --drift --json']
  static override readonly flags = {
    ...PLATFORM_FLAGS,
    drift: Flags.boolean({env: 'HOLDFAST_DRIFT', summary: 'Look whether the sources of cached copies have moved.'}),
  }

  async run(): Promise<AppRows> {
    const {flags} = await this.parse(AppList)
    const context = this.openContext(flags)
    const {platform, place} = await openPlatform(context, flags.cf)
    const apps = await findAppRows(context, {platform, collector: flags.collector, hasDrift: flags.drift})
    this.printRows(
      describeAppRows(apps),
      text`there are no apps yet: holdfast app add CODE, or holdfast set-env APP DIEGO_DOCKER_CACHE true`,
    )
    return {...place, apps}
  }
}
