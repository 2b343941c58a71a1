import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {AppCheck as Check} from '../../lib/apps/check-app.ts'
import {describeChecks, repairHints} from '../../lib/cli/app-report.ts'
import type {EachApp} from '../../lib/cli/each-app.ts'
import {everySpace} from '../../lib/cli/every-space.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {CACHE_FLAGS, StagingCommand} from '../../lib/cli/staging-command.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class AppCheck extends StagingCommand<EachApp<Check>> {
  static override readonly summary = 'Check which apps would not survive a restart today.'
  static override readonly description =
    `Looks at each app's image as the platform would pull it: whether it is there, whether its registry answers, and whether it opens. The exit code is 9 when one app would not start.
No platform tells a password. An image that is pulled with one is looked for with the credentials that are named here, when the user name and the cache are the same, otherwise with those
that Holdfast has. Whether the platform's own password opens it is then not known: with --build, the platform builds the app's package once more and pulls the image itself. Nothing that
runs changes.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop',
    '<%= config.bin %> <%= command.id %> --all --json',
    '<%= config.bin %> <%= command.id %> --all --build',
  ]
  static override readonly args = {app: Args.string({description: 'its name'})}
  static override readonly flags = {
    all: Flags.boolean({env: 'HOLDFAST_ALL', summary: 'Check every app that runs an image, in every space.'}),
    build: Flags.boolean({env: 'HOLDFAST_BUILD', summary: 'Have the platform pull each image itself, in a build that nothing uses.'}),
    ...CACHE_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<EachApp<Check>> {
    const {args, flags} = await this.parse(AppCheck)
    const [{checkApp, wouldFail}, {dependencies, place}] = await Promise.all([
      import('../../lib/apps/check-app.ts'),
      this.checkDependencies(flags),
    ])
    const result = await this.forEachApp({
      verb: 'check',
      command: 'app check',
      app: args.app,
      isAll: flags.all,
      select: 'all',
      platform: dependencies.platform,
      place,
      findCopy: dependencies.findCopy,
      everywhere: () => everySpace(this.openContext(flags), dependencies.platform),
      run: (name, platform) => checkApp(name, {...dependencies, platform, isBuilt: flags.build}),
      onFailure: (message) => this.output.note(escapeText(message)),
    })
    if (result.apps.length === 0) this.output.note(text`no app runs an image`)
    else for (const row of describeChecks(result.apps)) this.output.print(row)
    for (const {app, reason} of result.apps) if (reason !== undefined) this.output.note(text`app "${app}": ${reason}`)
    const failing = result.apps.filter(wouldFail)
    if (failing.length === 0) return result
    const names = failing.map(({app}) => app).join(', ')
    throw new PartialFailure(
      `cannot count on a restart of ${failing.length} of ${formatCount(result.apps.length, 'app')}: ${names}`,
      result,
      repairHints(failing),
    )
  }
}
