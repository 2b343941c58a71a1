import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class AppRestore extends CollectorCommand<{readonly restored: string; readonly id: number}> {
  static override readonly summary = 'Restore an app that was removed, with the same code, id and groups.'
  static override readonly description =
    `Its services are restored one by one: "service restore NAME". "collector removed" lists what can be restored.`
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop']
  static override readonly args = {name: Args.string({required: true, description: 'its code'})}

  async run(): Promise<{readonly restored: string; readonly id: number}> {
    const {args, flags} = await this.parse(AppRestore)
    const [collector, {restoreApp}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(restoreApp, {code: args.name})
    this.output.print(escapeText(result.restored))
    this.output.note(text`${result.restored} is app ${result.id} again`)
    return result
  }
}
