/** The frame of commands that ask a collector. */
import * as Flags from '@oclif/core/flags'
import type {Collector} from '../collector/collector.ts'
import type {TerminalText} from '../core/terminal-text.ts'
import {BaseCommand} from './base-command.ts'
import {GLOBAL_FLAGS, type GlobalFlags} from './global-flags.ts'

interface CollectorFlags extends GlobalFlags {
  readonly collector?: string | undefined
}

export abstract class CollectorCommand<Result extends object> extends BaseCommand<Result> {
  static override readonly baseFlags = {
    ...GLOBAL_FLAGS,
    collector: Flags.string({
      env: 'HOLDFAST_COLLECTOR',
      helpGroup: 'GLOBAL',
      helpValue: 'URL',
      summary: 'Ask this collector; "local" is that of this machine. Default: the one of "collector use".',
    }),
  }

  /** The collector that the flags name, or that was chosen. */
  protected async openCollector(flags: CollectorFlags): Promise<Collector> {
    return await this.openContext(flags).collector(flags.collector)
  }

  /** Prints a table; a note when there is nothing in it. */
  protected printRows(lines: readonly TerminalText[], none?: TerminalText): void {
    if (lines.length > 1) for (const line of lines) this.output.print(line)
    else if (none !== undefined) this.output.note(none)
  }
}
