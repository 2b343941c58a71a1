import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface EventsSecret {
  readonly registry: string
  /** Shown this once. */
  readonly secret: string
}

export default class RegistryRenewEventsSecret extends CollectorCommand<EventsSecret> {
  static override readonly summary = 'Print a new secret for the notifications of a registry, this once; the old one ends at once.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal']
  static override readonly args = {name: Args.string({required: true, description: 'the registry'})}

  async run(): Promise<EventsSecret> {
    const {args, flags} = await this.parse(RegistryRenewEventsSecret)
    const [collector, {renewEventsSecret}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/registries.ts')])
    const result = await collector.run(renewEventsSecret, {name: args.name})
    this.output.print(escapeText(result.secret))
    this.output.note(text`the registry sends it as "Authorization: Bearer …" to /events/${args.name}; it is not shown again`)
    return result
  }
}
