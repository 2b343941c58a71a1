import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {Refresh} from '../lib/apps/refresh-app.ts'
import {describeOutcome, describeRefresh} from '../lib/cli/app-report.ts'
import type {EachApp} from '../lib/cli/each-app.ts'
import {ROLLOUT_FLAGS} from '../lib/cli/rollout-flags.ts'
import {CACHE_FLAGS, StagingCommand} from '../lib/cli/staging-command.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'

type Refreshed = Refresh & {
  readonly isStaged: boolean
  /** With --stage: what the app runs now. */
  readonly image?: string
  /** With --stage: present when the app is still being moved to it. */
  readonly underWay?: 'deploying' | 'paused'
}

export default class RefreshApp extends StagingCommand<EachApp<Refreshed>> {
  static override readonly summary = 'Look whether the source of an app’s cached copy has moved on; take it only when told to.'
  static override readonly description =
    'Shows the old and the new digest, the layers and the sizes. With --stage, an app whose source has moved is staged with what it names now.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop',
    '<%= config.bin %> <%= command.id %> shop --stage',
    '<%= config.bin %> <%= command.id %> --all --json',
  ]
  static override readonly args = {app: Args.string({description: 'its name'})}
  static override readonly flags = {
    all: Flags.boolean({env: 'HOLDFAST_ALL', summary: 'Look at every app that runs from the cache.'}),
    stage: Flags.boolean({env: 'HOLDFAST_STAGE', summary: 'Stage what has moved.'}),
    ...CACHE_FLAGS,
    ...ROLLOUT_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<EachApp<Refreshed>> {
    const {args, flags} = await this.parse(RefreshApp)
    const context = this.openContext(flags)
    const [{compareWithSource}, {isToBeStarted}, {stageApp}, {dependencies, place}] = await Promise.all([
      import('../lib/apps/refresh-app.ts'),
      import('../lib/apps/running.ts'),
      import('../lib/apps/stage-app.ts'),
      this.stagingDependencies(flags),
    ])
    const {platform, findCopy} = dependencies
    return await this.forEachApp({
      verb: 'refresh',
      app: args.app,
      isAll: flags.all,
      select: 'cached',
      platform,
      place,
      findCopy,
      run: async (name) => {
        const refresh = await compareWithSource(name, {
          platform,
          findCopy,
          openSource: (reference) => context.openSource(reference),
          signal: context.signal,
        })
        this.output.print(describeRefresh(refresh))
        const isStaged = flags.stage === true && (refresh.hasMoved || isToBeStarted(await platform.findApp(name)))
        if (!isStaged) {
          if (refresh.hasMoved) this.output.note(text`to take it: holdfast refresh ${name} --stage`)
          return {...refresh, isStaged}
        }
        const outcome = await stageApp(name, {isRefresh: true}, dependencies)
        const {image, underWay} = outcome
        if (image !== undefined) this.output.print(escapeText(image))
        this.output.note(describeOutcome(outcome))
        this.noteUnderWay(name, underWay)
        return {...refresh, isStaged, ...(image === undefined ? {} : {image}), ...(underWay === undefined ? {} : {underWay})}
      },
      onFailure: (message) => this.output.note(escapeText(message)),
    })
  }
}
