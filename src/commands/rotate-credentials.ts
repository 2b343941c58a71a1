import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {RotatedCredentials} from '../lib/apps/credentials.ts'
import type {EachApp} from '../lib/cli/each-app.ts'
import {everySpace} from '../lib/cli/every-space.ts'
import {ROLLOUT_FLAGS} from '../lib/cli/rollout-flags.ts'
import {CACHE_FLAGS, StagingCommand} from '../lib/cli/staging-command.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'

interface Rotated extends RotatedCredentials {
  /** `ORG/SPACE`, where the platform has spaces. */
  readonly space?: string
}

export default class RotateCredentials extends StagingCommand<EachApp<Rotated>> {
  static override readonly summary = 'Give apps new credentials to pull from the cache with; their images stay what they are.'
  static override readonly description =
    'Platforms keep the credentials of an image with the app, and use them whenever an instance starts. New ones are tried before an app gets them, and it is moved over without a moment in which nothing runs. With --all, every space that the session sees is gone through; apps that it may not change, or that run from another cache, are listed as failures, and the exit code is 9.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --all --pull-username web@service --pull-password-stdin < secret',
    '<%= config.bin %> <%= command.id %> shop --pull-username web@service --pull-password-stdin < secret',
  ]
  static override readonly args = {app: Args.string({description: 'its name'})}
  static override readonly flags = {
    all: Flags.boolean({env: 'HOLDFAST_ALL', summary: 'Every app that runs from the cache, in every space.'}),
    ...CACHE_FLAGS,
    ...ROLLOUT_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<EachApp<RotatedCredentials>> {
    const {args, flags} = await this.parse(RotateCredentials)
    const [{rotateCredentials}, {dependencies, place}] = await Promise.all([
      import('../lib/apps/credentials.ts'),
      this.stagingDependencies(flags),
    ])
    return await this.forEachApp({
      verb: 'rotate the credentials of',
      command: 'rotate-credentials',
      app: args.app,
      isAll: flags.all,
      select: 'cached',
      platform: dependencies.platform,
      place,
      findCopy: dependencies.findCopy,
      everywhere: () => everySpace(this.openContext(flags), dependencies.platform, this.rollout(flags)),
      run: async (name, platform) => {
        const rotated = await rotateCredentials(name, {...dependencies, platform})
        this.output.print(text`app "${name}" pulls ${rotated.image} with the new credentials`)
        this.noteUnderWay(name, rotated.underWay)
        return {...rotated, ...(platform.space === undefined ? {} : {space: platform.space})}
      },
      onFailure: (message) => this.output.note(escapeText(message)),
    })
  }
}
