import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {consulNetwork, consulToken, parseConsulUrl} from '../../lib/cli/discovery-flags.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface Deregistered {
  readonly registry: string
  readonly consul: string
  readonly id: string
}

export default class RegistryDeregister extends BaseCommand<Deregistered> {
  static override readonly summary = 'Take a registry away from Consul; one that is not there is gone already.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal --consul http://127.0.0.1:8500']
  static override readonly args = {name: Args.string({required: true, description: 'the registry, as it was registered'})}
  static override readonly flags = {
    consul: Flags.string({required: true, env: 'HOLDFAST_CONSUL', helpValue: 'URL', summary: 'The agent that it was registered at.'}),
    service: Flags.string({
      env: 'HOLDFAST_SERVICE',
      helpValue: 'NAME',
      default: 'docker-registry',
      summary: 'The service. Default: docker-registry.',
    }),
    id: Flags.string({env: 'HOLDFAST_ID', helpValue: 'ID', summary: 'What it was registered as. Default: SERVICE-NAME.'}),
  }

  async run(): Promise<Deregistered> {
    const {args, flags} = await this.parse(RegistryDeregister)
    const context = this.openContext(flags)
    const {deregisterInstance} = await import('../../lib/service-discovery/consul.ts')
    const consul = parseConsulUrl(flags.consul)
    const id = flags.id ?? `${flags.service}-${args.name}`
    await deregisterInstance({url: consul, token: consulToken(context), network: await consulNetwork(context)}, id)
    this.output.print(text`deregistered ${id} at ${consul.origin}`)
    return {registry: args.name, consul: consul.origin, id}
  }
}
