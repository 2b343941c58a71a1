import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class ServiceRestore extends CollectorCommand<{readonly restored: string; readonly id: number}> {
  static override readonly summary = 'Restore a service that was removed, with the same name, id and app.'
  static override readonly description =
    `Its secret is not restored: the service logs in after "service renew-secret NAME". "collector removed" lists what can be restored.`
  static override readonly examples = ['<%= config.bin %> <%= command.id %> web']
  static override readonly args = {name: Args.string({required: true, description: 'the service'})}

  async run(): Promise<{readonly restored: string; readonly id: number}> {
    const {args, flags} = await this.parse(ServiceRestore)
    const [collector, {restoreService}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/restore.ts')])
    const result = await collector.run(restoreService, {name: args.name})
    this.output.print(escapeText(result.restored))
    this.output.note(text`${result.restored} is service ${result.id} again`)
    return result
  }
}
