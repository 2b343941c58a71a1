import * as Args from '@oclif/core/args'
import type {PlatformPlace} from '../lib/cli/app-platform.ts'
import {StagingCommand} from '../lib/cli/staging-command.ts'
import {text} from '../lib/core/terminal-text.ts'

export interface OptIn extends PlatformPlace {
  readonly app: string
  readonly variable: string
  /** Whether the app is to run from the cache: the value is exactly `true`. */
  readonly hasOptedIn: boolean
}

export default class SetEnv extends StagingCommand<OptIn> {
  static override readonly summary = 'Opt an app in to running from the cache: set-env APP DIEGO_DOCKER_CACHE true.'
  static override readonly description =
    'Sets this one variable of the app; the others are neither read nor shown. Only the text "true" opts in. It takes effect with `holdfast stage APP`.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop DIEGO_DOCKER_CACHE true',
    '<%= config.bin %> <%= command.id %> shop DIEGO_DOCKER_CACHE true --no-cf',
  ]
  static override readonly args = {
    app: Args.string({required: true, description: 'its name'}),
    variable: Args.string({required: true, description: 'DIEGO_DOCKER_CACHE'}),
    value: Args.string({required: true, description: 'true'}),
  }

  async run(): Promise<OptIn> {
    const {args, flags} = await this.parse(SetEnv)
    const {app: name, variable, value} = args
    const [{assertCacheVariable, changeOptIn}, {addLocalApp}, {platform, place}] = await Promise.all([
      import('../lib/apps/opt-in.ts'),
      import('../lib/apps/local-platform.ts'),
      this.openPlatform(flags),
    ])
    assertCacheVariable(variable, name)
    // Where there is no platform, an app begins with this choice.
    if (platform.kind === 'local') await addLocalApp(await this.openContext(flags).records(), name, () => new Date())
    const app = await platform.findApp(name)
    const hasOptedIn = await changeOptIn(platform, app, value)
    if (app.isBuiltFromSource) this.output.warn(text`app "${name}" is built from source code: it runs no image that could be cached`)
    if (!hasOptedIn) this.output.warn(text`"${value}" does not opt in: only "true" does`)
    this.output.print(text`app "${name}" of ${platform.description} ${hasOptedIn ? 'has opted in' : 'has not opted in'}`)
    this.output.note(text`it takes effect with: holdfast stage ${name}`)
    return {...place, app: name, variable, hasOptedIn}
  }
}
