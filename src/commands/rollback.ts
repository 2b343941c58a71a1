import * as Args from '@oclif/core/args'
import type {Rollback} from '../lib/apps/rollback-app.ts'
import {ROLLOUT_FLAGS} from '../lib/cli/rollout-flags.ts'
import {StagingCommand} from '../lib/cli/staging-command.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'

export default class RollbackApp extends StagingCommand<Rollback> {
  static override readonly summary = 'Go back to what an app ran before it was staged.'
  static override readonly description =
    'A deployment that is under way is cancelled at once, and the app runs what it ran before it. Rolled back again, it runs what it ran before the rollback.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop',
    '<%= config.bin %> <%= command.id %> shop --strategy recreate',
  ]
  static override readonly args = {app: Args.string({required: true, description: 'its name'})}
  static override readonly flags = {...ROLLOUT_FLAGS}

  async run(): Promise<Rollback> {
    const {args, flags} = await this.parse(RollbackApp)
    const [{rollBackApp}, platform] = await Promise.all([import('../lib/apps/rollback-app.ts'), this.openPlatform(flags)])
    this.leaves(() => ({left: this.left ?? `app "${args.app}" is what it was`}))
    const result = await rollBackApp(args.app, platform, this.onStep)
    this.output.print(escapeText(result.image))
    if (result.hasCancelled) this.output.note(text`what was under way was cancelled; app "${args.app}" runs what it ran before`)
    else if (result.underWay === undefined)
      this.output.note(text`app "${args.app}" runs it again; once more: holdfast rollback ${args.app}`)
    this.noteUnderWay(args.app, result.underWay)
    return result
  }
}
