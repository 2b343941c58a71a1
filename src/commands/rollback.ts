import * as Args from '@oclif/core/args'
import type {Rollback} from '../lib/apps/rollback-app.ts'
import type {PlatformPlace} from '../lib/cli/app-platform.ts'
import {ROLLOUT_FLAGS} from '../lib/cli/rollout-flags.ts'
import {CACHE_FLAGS, StagingCommand} from '../lib/cli/staging-command.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'

export default class RollbackApp extends StagingCommand<Rollback & PlatformPlace> {
  static override readonly summary = 'Go back to what an app ran before it was staged.'
  static override readonly description =
    `A deployment that is under way is cancelled at once, and the app runs what it ran before it. Rolled back again, it runs what it ran before the rollback.
A platform keeps the credentials of a release with it. A cached copy is therefore given those that are named here; without them the platform first shows that it can still pull it. When it
cannot, nothing is changed. The user’s own image needs no credentials.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop',
    '<%= config.bin %> <%= command.id %> shop --pull-username web@service --pull-password-stdin < secret',
    '<%= config.bin %> <%= command.id %> shop --strategy recreate',
  ]
  static override readonly args = {app: Args.string({required: true, description: 'its name'})}
  static override readonly flags = {...CACHE_FLAGS, ...ROLLOUT_FLAGS, ...ACCESS_FLAGS}

  async run(): Promise<Rollback & PlatformPlace> {
    const {args, flags} = await this.parse(RollbackApp)
    const [{rollBackApp}, {dependencies, place}] = await Promise.all([
      import('../lib/apps/rollback-app.ts'),
      this.rollbackDependencies(flags),
    ])
    this.leaves(() => ({left: this.left ?? `app "${args.app}" is what it was`}))
    const result = await rollBackApp(args.app, dependencies)
    this.output.print(escapeText(result.image))
    if (result.hasCancelled) this.output.note(text`what was under way was cancelled; app "${args.app}" runs what it ran before`)
    else if (result.underWay === undefined)
      this.output.note(text`app "${args.app}" runs it again; once more: holdfast rollback ${args.app}`)
    this.noteUnderWay(args.app, result.underWay)
    return {...place, ...result}
  }
}
