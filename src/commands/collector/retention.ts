import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {Retention} from '../../lib/collector/retention.ts'
import type {PurgedRecords} from '../../lib/collector/store.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface RetentionResult extends Retention {
  /** With --purge. */
  readonly purged?: PurgedRecords
}

export default class CollectorRetention extends CollectorCommand<RetentionResult> {
  static override readonly summary = 'Show how long the collector keeps its audit log and events, or change it.'
  static override readonly description =
    `\`serve\` removes every hour what is older, and expired tokens and sessions. Of refused logins the newest 100,000 are kept, whatever their age.
--purge removes it now. What events changed in the index stays.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --audit-days 730 --event-days 30',
    {
      description: 'Keep the audit log elsewhere, and remove it here',
      command:
        '<%= config.bin %> collector audit --format jsonl --limit 1000 > audit.jsonl && <%= config.bin %> <%= command.id %> --audit-days 30 --purge',
    },
  ]
  static override readonly flags = {
    'audit-days': Flags.integer({
      env: 'HOLDFAST_AUDIT_DAYS',
      min: 1,
      max: 3650,
      helpValue: 'DAYS',
      summary: 'Days that the audit log is kept. Default: 365.',
    }),
    'event-days': Flags.integer({
      env: 'HOLDFAST_EVENT_DAYS',
      min: 1,
      max: 3650,
      helpValue: 'DAYS',
      summary: 'Days that events are kept. Default: 90.',
    }),
    purge: Flags.boolean({summary: 'Remove now what is older.'}),
  }

  async run(): Promise<RetentionResult> {
    const {flags} = await this.parse(CollectorRetention)
    const [collector, {purgeRecords, showRetention, updateRetention}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/retention.ts'),
    ])
    const {'audit-days': auditDays, 'event-days': eventDays} = flags
    const change = {...(auditDays === undefined ? {} : {auditDays}), ...(eventDays === undefined ? {} : {eventDays})}
    const retention =
      Object.keys(change).length === 0 ? await collector.run(showRetention, {}) : await collector.run(updateRetention, change)
    this.output.print(text`audit log: ${retention.auditDays} days`)
    this.output.print(text`events: ${retention.eventDays} days`)
    if (!flags.purge) return retention
    const purged = await collector.run(purgeRecords, {})
    const {audit, events, refreshTokens, sessions} = purged
    this.output.print(
      text`removed: ${audit} entries of the audit log, ${events} events, ${refreshTokens + sessions} expired tokens and sessions`,
    )
    return {...retention, purged}
  }
}
