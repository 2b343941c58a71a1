import * as Args from '@oclif/core/args'
import {StagingCommand} from '../lib/cli/staging-command.ts'
import {text} from '../lib/core/terminal-text.ts'
import type {OptIn} from './set-env.ts'

export default class UnsetEnv extends StagingCommand<OptIn> {
  static override readonly summary = 'Opt an app out of running from the cache: unset-env APP DIEGO_DOCKER_CACHE.'
  static override readonly description = 'The next `holdfast stage APP` gives it its user’s image back and forgets the cached one.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop DIEGO_DOCKER_CACHE']
  static override readonly args = {
    app: Args.string({required: true, description: 'its name'}),
    variable: Args.string({required: true, description: 'DIEGO_DOCKER_CACHE'}),
  }

  async run(): Promise<OptIn> {
    const {args, flags} = await this.parse(UnsetEnv)
    const {app: name, variable} = args
    const [{assertCacheVariable, changeOptIn}, {platform, place}] = await Promise.all([
      import('../lib/apps/opt-in.ts'),
      this.openPlatform(flags),
    ])
    assertCacheVariable(variable, name)
    await changeOptIn(platform, await platform.findApp(name), undefined)
    this.output.print(text`app "${name}" of ${platform.description} has opted out`)
    this.output.note(text`it takes effect with: holdfast stage ${name}`)
    return {...place, app: name, variable, hasOptedIn: false}
  }
}
