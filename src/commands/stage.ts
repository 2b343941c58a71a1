import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {StageOutcome} from '../lib/apps/stage-app.ts'
import {describeOutcome, describeSkipped} from '../lib/cli/app-report.ts'
import type {EachApp} from '../lib/cli/each-app.ts'
import {ROLLOUT_FLAGS} from '../lib/cli/rollout-flags.ts'
import {CACHE_FLAGS, StagingCommand} from '../lib/cli/staging-command.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {escapeText} from '../lib/core/terminal-text.ts'

export default class Stage extends StagingCommand<EachApp<StageOutcome>> {
  static override readonly summary = 'Make an app run from the cache, or, when it has opted out, from its user’s image again.'
  static override readonly description =
    `An app that has opted in (\`holdfast set-env APP DIEGO_DOCKER_CACHE true\`): its image is copied into the cache, the platform is given the pinned reference with credentials of the
cache's own, and the app is moved over without a moment in which nothing runs; what ran before is kept for \`holdfast rollback\`. A run that was interrupted is finished by the next one.
A copy that is gone from the cache is put back.
New instances are shown while they come up. When all of them crash, or none more runs within --timeout, the deployment is cancelled and what ran before stays.
With --all, every app that has opted in, or did; the failure of one does not stop the others, and the exit code is 9.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> shop',
    '<%= config.bin %> <%= command.id %> shop --image alpine:3.20',
    '<%= config.bin %> <%= command.id %> shop --dry-run',
    '<%= config.bin %> <%= command.id %> shop --strategy canary',
    '<%= config.bin %> <%= command.id %> shop --max-in-flight 4 --timeout 15m',
    '<%= config.bin %> <%= command.id %> --all --pull-username web@service --pull-password-stdin < secret',
  ]
  static override readonly args = {app: Args.string({description: 'its name'})}
  static override readonly flags = {
    all: Flags.boolean({env: 'HOLDFAST_ALL', summary: 'Stage every app that has opted in or runs from the cache.', exclusive: ['image']}),
    image: Flags.string({env: 'HOLDFAST_IMAGE', helpValue: 'IMAGE', summary: 'Run this image instead of the one that the app has.'}),
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Say every call that would be made, and make none.'}),
    ...CACHE_FLAGS,
    ...ROLLOUT_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<EachApp<StageOutcome>> {
    const {args, flags} = await this.parse(Stage)
    const [{stageApp}, {dependencies, place}] = await Promise.all([import('../lib/apps/stage-app.ts'), this.stagingDependencies(flags)])
    const request = {image: flags.image, isDryRun: flags['dry-run']}
    return await this.forEachApp({
      verb: 'stage',
      app: args.app,
      isAll: flags.all,
      select: 'opted-in',
      isDryRun: flags['dry-run'],
      platform: dependencies.platform,
      place,
      findCopy: dependencies.findCopy,
      run: async (name) => {
        const outcome = await stageApp(name, request, dependencies)
        for (const call of outcome.calls ?? []) this.output.print(escapeText(call))
        if (outcome.calls === undefined) {
          if (outcome.image !== undefined) this.output.print(escapeText(outcome.image))
          this.output.note(describeOutcome(outcome))
          this.noteUnderWay(name, outcome.underWay)
        }
        return outcome
      },
      onFailure: (message) => this.output.note(escapeText(message)),
      onSkipped: (skipped) => {
        for (const line of describeSkipped(skipped)) this.output.note(line)
      },
    })
  }
}
