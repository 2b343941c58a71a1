/** The frame of commands that ask a collector. */
import type {Collector} from '../collector/collector.ts'
import {BaseCommand} from './base-command.ts'
import type {GlobalFlags} from './global-flags.ts'

export abstract class CollectorCommand<Result extends object> extends BaseCommand<Result> {
  /** The collector of this machine. */
  protected async openCollector(flags: GlobalFlags): Promise<Collector> {
    return await this.openContext(flags).collector()
  }

  /** Prints a table; a note when there is nothing in it. */
  protected printRows(lines: readonly string[], none: string): void {
    if (lines.length <= 1) this.output.note(none)
    else for (const line of lines) this.output.print(line)
  }
}
