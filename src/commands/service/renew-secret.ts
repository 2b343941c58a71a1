import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {Service} from '../../lib/collector/objects.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface ServiceWithSecret {
  readonly service: Service
  /** Shown this once. */
  readonly secret: string
}

export default class ServiceRenewSecret extends CollectorCommand<ServiceWithSecret> {
  static override readonly summary = 'Give a service a new secret, and print it, this once; the old one ends at once.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> web']
  static override readonly args = {name: Args.string({required: true, description: 'the service'})}

  async run(): Promise<ServiceWithSecret> {
    const {args, flags} = await this.parse(ServiceRenewSecret)
    const [collector, {renewServiceSecret}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const result = await collector.run(renewServiceSecret, {name: args.name})
    this.output.print(escapeText(result.secret))
    this.output.note(text`that is the new secret of ${args.name}@service; it is not shown again`)
    return result
  }
}
