import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class RegistryRestore extends CollectorCommand<{readonly restored: string; readonly id: number}> {
  static override readonly summary = 'Manage a registry again that was given up, with the same id, settings and groups.'
  static override readonly description =
    `Its events secret is not restored ("registry renew-events-secret NAME"); the next sweep finds its repositories again, without descriptions and stars. "collector removed" lists what can be restored.`
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal']
  static override readonly args = {name: Args.string({required: true, description: 'the registry'})}

  async run(): Promise<{readonly restored: string; readonly id: number}> {
    const {args, flags} = await this.parse(RegistryRestore)
    const [collector, {restoreRegistry}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(restoreRegistry, {name: args.name})
    this.output.print(escapeText(result.restored))
    this.output.note(text`${result.restored} is registry ${result.id} again`)
    return result
  }
}
