import {setTimeout as sleep} from 'node:timers/promises'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeEvents} from '../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../lib/cli/managed-repository-name.ts'
import {text} from '../lib/core/terminal-text.ts'

interface EventList {
  readonly events: readonly {
    readonly id: number
    readonly registry: string
    readonly receivedAt: string
    readonly action: string
    readonly repository: string
    readonly tag?: string
    readonly digest?: string
    readonly actor?: string
  }[]
}

/** How often --follow looks. */
const FOLLOW_MS = 1_000
const MAX_EVENTS = 1_000

export default class Events extends CollectorCommand<EventList> {
  static override readonly summary = 'Show what was pushed, pulled and deleted at the managed registries.'
  static override readonly description =
    'You see what happened to your own repositories, and who deleted them: those below users/NAME, of your groups, and of apps that a group of yours is responsible for. Managers see all of the registries that they are responsible for, administrators everything.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --registry internal --action push',
    '<%= config.bin %> <%= command.id %> internal/apps/shop/web',
    '<%= config.bin %> <%= command.id %> --follow',
    "<%= config.bin %> <%= command.id %> --repository apps/shop/web --since 2026-11-21 --json | jq -c '.result.events[]'",
  ]
  static override readonly args = {
    repository: Args.string({description: 'REGISTRY/REPOSITORY: of this repository of a managed registry; of all when absent'}),
  }
  static override readonly flags = {
    follow: Flags.boolean({char: 'f', env: 'HOLDFAST_FOLLOW', exclusive: ['json'], summary: 'Go on with what comes, until Ctrl-C.'}),
    registry: Flags.string({env: 'HOLDFAST_REGISTRY', helpValue: 'NAME', summary: 'Of this registry.'}),
    repository: Flags.string({env: 'HOLDFAST_REPOSITORY', helpValue: 'NAME', summary: 'Of this repository.'}),
    action: Flags.option({
      options: ['push', 'pull', 'mount', 'delete'] as const,
      env: 'HOLDFAST_ACTION',
      helpValue: 'ACTION',
      summary: 'push, pull, mount or delete.',
    })(),
    since: Flags.string({env: 'HOLDFAST_SINCE', helpValue: 'TIME', summary: 'Not older than this: ISO 8601, or the beginning of it.'}),
    limit: Flags.integer({env: 'HOLDFAST_LIMIT', min: 1, max: MAX_EVENTS, default: 100, summary: 'The newest so many. Default: 100.'}),
  }

  async run(): Promise<EventList> {
    const {args, flags} = await this.parse(Events)
    const named = args.repository === undefined ? undefined : parseManagedRepository(args.repository)
    const {signal} = this.openContext(flags)
    const [collector, {listEvents}] = await Promise.all([this.openCollector(flags), import('../lib/collector/api/logs.ts')])
    const {action, since, limit} = flags
    const {registry, repository} = named ?? flags
    const filter = {
      ...(registry === undefined ? {} : {registry}),
      ...(repository === undefined ? {} : {repository}),
      ...(action === undefined ? {} : {action}),
    }
    const result = await collector.run(listEvents, {...filter, limit, ...(since === undefined ? {} : {since})})
    this.printRows(describeEvents(result.events), text`no registry has notified of anything`)
    let last = result.events.at(-1)?.id ?? 0
    while (flags.follow && !signal.aborted) {
      await sleep(FOLLOW_MS, undefined, {signal}).catch(() => {})
      if (signal.aborted) break
      const {events} = await collector.run(listEvents, {...filter, after: last, limit: MAX_EVENTS})
      for (const line of describeEvents(events).slice(1)) this.output.print(line)
      last = events.at(-1)?.id ?? last
    }
    return result
  }
}
