import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {Service} from '../../lib/collector/objects.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface ServiceWithSecret {
  readonly service: Service
  /** Shown this once. */
  readonly secret: string
}

export default class ServiceAdd extends CollectorCommand<ServiceWithSecret> {
  static override readonly summary = 'Add a service of an app, and print its secret, this once.'
  static override readonly description =
    'It logs in as NAME@service with its secret, and pulls what lies below apps/ of its own app: holdfast login --service NAME --password-stdin.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> web --app shop']
  static override readonly args = {name: Args.string({required: true, description: 'the new service'})}
  static override readonly flags = {
    app: Flags.string({required: true, env: 'HOLDFAST_APP', helpValue: 'CODE', summary: 'The app that it belongs to.'}),
  }

  async run(): Promise<ServiceWithSecret> {
    const {args, flags} = await this.parse(ServiceAdd)
    const [collector, {addService}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/services.ts')])
    const result = await collector.run(addService, {name: args.name, app: flags.app})
    this.output.print(escapeText(result.secret))
    this.output.note(text`that is the secret of ${args.name}@service; it is not shown again`)
    return result
  }
}
