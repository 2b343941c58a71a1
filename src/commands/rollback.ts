import * as Args from '@oclif/core/args'
import type {Rollback} from '../lib/apps/rollback-app.ts'
import type {PlatformPlace} from '../lib/cli/app-platform.ts'
import {StagingCommand} from '../lib/cli/staging-command.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'

export default class RollbackApp extends StagingCommand<Rollback & PlatformPlace> {
  static override readonly summary = 'Go back to what an app ran before it was staged.'
  static override readonly description = 'Rolled back again, it runs what it ran before the rollback.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {app: Args.string({required: true, description: 'its name'})}

  async run(): Promise<Rollback & PlatformPlace> {
    const {args, flags} = await this.parse(RollbackApp)
    const [{rollBackApp}, {platform, place}] = await Promise.all([import('../lib/apps/rollback-app.ts'), this.openPlatform(flags)])
    this.leaves(() => ({left: this.left ?? `app "${args.app}" is what it was`}))
    const result = await rollBackApp(args.app, platform, this.onStep)
    this.output.print(escapeText(result.image))
    this.output.note(text`app "${args.app}" runs it again; once more: holdfast rollback ${args.app}`)
    return {...place, ...result}
  }
}
