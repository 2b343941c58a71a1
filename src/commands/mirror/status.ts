import {resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {type MirrorPlan, readPlan} from '../../lib/cli/mirror-plan.ts'
import type {Reached} from '../../lib/cli/mirror-reach.ts'
import {parseMirrorUrl} from '../../lib/cli/mirror-values.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {MirrorAppStatus} from '../../lib/mirror/deploy.ts'

interface Status {
  readonly target: MirrorPlan['target']
  readonly url: string
  /** What clients on this machine meet. */
  readonly answer: Reached
  /** On Cloud Foundry. */
  readonly apps?: readonly MirrorAppStatus[]
}

const ANSWERS: Readonly<Record<Reached, string>> = {
  answers: 'answers',
  forbidden: 'lets nobody in from here (403)',
  unavailable: 'is there, and the mirror behind it is not',
  unreachable: 'cannot be reached',
}

export default class MirrorStatus extends BaseCommand<Status> {
  static override readonly summary = 'Show whether a protected mirror runs: its apps, as "cf apps" does, and what clients meet.'
  static override readonly description =
    'From mirror.yml of the directory. The exit code is 9 when an instance is missing or the mirror does not answer; being kept out by its rules is no failure.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --environment staging --json',
  ]
  static override readonly flags = {
    environment: Flags.option({
      env: 'HOLDFAST_ENVIRONMENT',
      options: ['staging', 'production'] as const,
      default: 'production' as const,
      summary: 'On Cloud Foundry: which of both. Default: production.',
    })(),
    directory: Flags.string({
      env: 'HOLDFAST_DIRECTORY',
      default: 'mirror',
      helpValue: 'DIR',
      summary: 'Where mirror.yml is. Default: mirror.',
    }),
  }

  async run(): Promise<Status> {
    const {flags} = await this.parse(MirrorStatus)
    const plan = await readPlan(resolve(flags.directory), this.openContext(flags).signal)
    const context = this.openContext(flags)
    const url = parseMirrorUrl((flags.environment === 'staging' ? plan['staging-url'] : undefined) ?? plan.url)
    const {reachMirror} = await import('../../lib/cli/mirror-reach.ts')
    const answer = await reachMirror(context, new URL(url))
    let apps: readonly MirrorAppStatus[] | undefined
    if (plan.target === 'cf') {
      const [{requireFoundation}, {readMirrorStatus}] = await Promise.all([
        import('../../lib/cli/cloud-foundry.ts'),
        import('../../lib/mirror/deploy.ts'),
      ])
      const {controller, space} = await requireFoundation(context)
      apps = await readMirrorStatus(controller, space.guid, plan.name)
      const rows = apps.map(({name, requestedState, running, instances, routes}) => [
        name,
        requestedState ?? 'missing',
        instances === undefined ? '-' : `web:${running}/${instances}`,
        routes?.join(', ') ?? '-',
      ])
      for (const line of formatTable(['NAME', 'REQUESTED STATE', 'PROCESSES', 'ROUTES'], rows)) this.output.print(line)
    }
    this.output.print(text`${url} ${ANSWERS[answer]}`)
    const result: Status = {target: plan.target, url, answer, ...(apps === undefined ? {} : {apps})}
    const missing = (apps ?? []).filter(({running, instances}) => instances === undefined || running !== instances)
    if (missing.length === 0 && (answer === 'answers' || answer === 'forbidden')) return result
    const reasons = [
      ...missing.map(({name}) => `${name} does not run as it should`),
      ...(answer === 'answers' || answer === 'forbidden' ? [] : [`${url} ${ANSWERS[answer]}`]),
    ]
    throw new PartialFailure(
      `cannot say that the mirror is well: ${reasons.join('; ')}`,
      result,
      missing.map(({name}) => `cf app ${name}`),
    )
  }
}
