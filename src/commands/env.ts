import * as Args from '@oclif/core/args'
import {StagingCommand} from '../lib/cli/staging-command.ts'
import {text} from '../lib/core/terminal-text.ts'
import type {OptIn} from './set-env.ts'

export default class Env extends StagingCommand<OptIn> {
  static override readonly summary = 'Show whether an app has opted in to running from the cache.'
  static override readonly description = 'Shows DIEGO_DOCKER_CACHE and no other variable of the app: those may be secrets.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {app: Args.string({required: true, description: 'its name'})}

  async run(): Promise<OptIn> {
    const {args, flags} = await this.parse(Env)
    const [{CACHE_VARIABLE, isOptIn, markOptIn}, {platform, place}] = await Promise.all([
      import('../lib/apps/opt-in.ts'),
      this.openPlatform(flags),
    ])
    const app = await platform.findApp(args.app)
    const value = await platform.readVariable(app, CACHE_VARIABLE)
    const hasOptedIn = isOptIn(value)
    await markOptIn(platform, app, hasOptedIn)
    if (value === undefined) this.output.note(text`${CACHE_VARIABLE} is not set`)
    else this.output.print(text`${CACHE_VARIABLE}=${value}`)
    if (value !== undefined && !hasOptedIn) this.output.warn(text`"${value}" does not opt in: only "true" does`)
    return {...place, app: args.app, variable: CACHE_VARIABLE, hasOptedIn}
  }
}
