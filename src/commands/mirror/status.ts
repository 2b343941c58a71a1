import {resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {CF_SECRET_FLAG} from '../../lib/cli/cloud-foundry-flags.ts'
import type {Context} from '../../lib/cli/context.ts'
import type {ClientReport} from '../../lib/cli/mirror-client-report.ts'
import {type MirrorPlan, readPlan} from '../../lib/cli/mirror-plan.ts'
import type {Reached} from '../../lib/cli/mirror-reach.ts'
import {mirrorAddresses} from '../../lib/cli/mirror-rendering.ts'
import {parseMirrorUrl} from '../../lib/cli/mirror-values.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {shellCommand} from '../../lib/core/shell.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {MirrorAppStatus} from '../../lib/mirror/deploy.ts'

interface Status {
  /** Absent where mirrors were named, and no plan was read. */
  readonly target?: MirrorPlan['target']
  readonly url: string
  /** What clients on this machine meet. */
  readonly answer: Reached
  /** On Cloud Foundry. */
  readonly apps?: readonly MirrorAppStatus[]
  /** Which client pulled what through the mirror; absent where the mirror itself cannot be reached from here. */
  readonly pulled?: ClientReport
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
    `From mirror.yml of the directory. The exit code is 9 when an instance is missing or the mirror does not answer; being refused by its access rules is not a failure.
Shows by client address which upstreams and images were pulled and when, since the mirror started: a node that is not among them goes around the mirror. The mirror itself says it, not nginx: run this on
its machine, or in its container with --mirror.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --environment staging --json',
    '<%= config.bin %> <%= command.id %> --mirror http://127.0.0.1:5000',
  ]
  static override readonly flags = {
    ...CF_SECRET_FLAG,
    environment: Flags.option({
      env: 'HOLDFAST_ENVIRONMENT',
      options: ['staging', 'production'] as const,
      default: 'production' as const,
      summary: 'On Cloud Foundry: which of both. Default: production.',
    })(),
    mirror: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_MIRROR',
      helpValue: 'URL',
      summary: 'Mirrors to ask, instead of those of mirror.yml. Repeatable.',
    }),
    directory: Flags.string({
      env: 'HOLDFAST_DIRECTORY',
      default: 'mirror',
      helpValue: 'DIR',
      summary: 'Where mirror.yml is. Default: mirror.',
    }),
  }

  async run(): Promise<Status> {
    const {flags} = await this.parse(MirrorStatus)
    const context = this.openContext(flags)
    const {plan, url, mirrors} = await askedMirrors(flags, context.signal)
    const {reachMirror} = await import('../../lib/cli/mirror-reach.ts')
    const answer = await reachMirror(context, new URL(url))
    let apps: readonly MirrorAppStatus[] | undefined
    if (plan?.target === 'cf') {
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
    const pulled = await this.#showClients(context, mirrors)
    const result: Status = {
      ...(plan === undefined ? {} : {target: plan.target}),
      url,
      answer,
      ...(apps === undefined ? {} : {apps}),
      ...(pulled === undefined ? {} : {pulled}),
    }
    const missing = (apps ?? []).filter(({running, instances}) => instances === undefined || running !== instances)
    if (missing.length === 0 && (answer === 'answers' || answer === 'forbidden')) return result
    const reasons = [
      ...missing.map(({name}) => `${name} does not run as it should`),
      ...(answer === 'answers' || answer === 'forbidden' ? [] : [`${url} ${ANSWERS[answer]}`]),
    ]
    throw new PartialFailure(
      `cannot say that the mirror is well: ${reasons.join('; ')}`,
      result,
      missing.map(({name}) => shellCommand`cf app ${name}`),
    )
  }

  async #showClients(context: Context, mirrors: readonly URL[]): Promise<ClientReport | undefined> {
    if (mirrors.length === 0) return undefined
    const {readClientReport, formatClientReport} = await import('../../lib/cli/mirror-client-report.ts')
    const report = await readClientReport(context, mirrors)
    if (report === undefined) {
      this.output.note(text`${mirrors.join(', ')} cannot be reached from here: what clients pulled is not known`)
      return undefined
    }
    for (const line of formatClientReport(report)) this.output.print(line)
    return report
  }
}

interface AskedMirrors {
  readonly plan?: MirrorPlan
  /** What clients come to. */
  readonly url: string
  /** The mirrors themselves, as far as this machine may reach them. */
  readonly mirrors: readonly URL[]
}

async function askedMirrors(
  flags: {readonly mirror?: readonly string[] | undefined; readonly directory: string; readonly environment: string},
  signal: AbortSignal,
): Promise<AskedMirrors> {
  const [first, ...others] = (flags.mirror ?? []).map(parseMirrorUrl)
  if (first !== undefined) return {url: first, mirrors: [first, ...others].map((url) => new URL(url))}
  const plan = await readPlan(resolve(flags.directory), signal)
  const url = parseMirrorUrl((flags.environment === 'staging' ? plan['staging-url'] : undefined) ?? plan.url)
  return {plan, url, mirrors: mirrorAddresses(plan).map((address) => new URL(`http://${address}`))}
}
