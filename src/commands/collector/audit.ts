import {hostname} from 'node:os'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeAudit} from '../../lib/cli/collector-report.ts'
import type {AuditRow} from '../../lib/collector/store.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class CollectorAudit extends CollectorCommand<{readonly entries: readonly AuditRow[]}> {
  static override readonly summary = 'Show who did, or was refused, what, under which rule.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --principal ann',
    '<%= config.bin %> <%= command.id %> --since 2026-11-21 --format syslog | nc log.example.com 514',
    "<%= config.bin %> <%= command.id %> --since 2026-11-21 --json | jq -c '.result.entries[]'",
  ]
  static override readonly flags = {
    principal: Flags.string({env: 'HOLDFAST_PRINCIPAL', helpValue: 'NAME', summary: 'Of this user, or NAME@service.'}),
    since: Flags.string({env: 'HOLDFAST_SINCE', helpValue: 'TIME', summary: 'Not older than this: ISO 8601, or the beginning of it.'}),
    format: Flags.option({
      options: ['table', 'jsonl', 'syslog'] as const,
      default: 'table',
      env: 'HOLDFAST_FORMAT',
      summary: 'table, jsonl (a JSON object a line), or syslog (RFC 5424).',
    })(),
    limit: Flags.integer({env: 'HOLDFAST_LIMIT', min: 1, max: 1000, default: 100, summary: 'The newest so many. Default: 100.'}),
  }

  async run(): Promise<{readonly entries: readonly AuditRow[]}> {
    const {flags} = await this.parse(CollectorAudit)
    const [collector, {listAudit}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/logs.ts')])
    const {principal, since, limit} = flags
    const result = await collector.run(listAudit, {
      limit,
      ...(principal === undefined ? {} : {principal}),
      ...(since === undefined ? {} : {since}),
    })
    if (flags.format === 'table') this.printRows(describeAudit(result.entries), text`nothing was asked of the collector`)
    else {
      const {formatJsonLine, formatSyslog} = await import('../../lib/cli/audit-format.ts')
      for (const entry of result.entries)
        this.output.print(flags.format === 'syslog' ? formatSyslog(entry, hostname()) : formatJsonLine(entry))
    }
    return result
  }
}
