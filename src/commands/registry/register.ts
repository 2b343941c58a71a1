import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {consulNetwork, consulToken, parseConsulUrl} from '../../lib/cli/discovery-flags.ts'
import {text} from '../../lib/core/terminal-text.ts'

export interface Registered {
  readonly registry: string
  readonly consul: string
  readonly service: string
  readonly id: string
  readonly address: string
  readonly port: number
}

const DURATION = /^[0-9]{1,6}(?:ms|s|m|h)$/

export default class RegistryRegister extends BaseCommand<Registered> {
  static override readonly summary = 'Register a declared registry in Consul, with a check that it answers.'
  static override readonly description =
    'Address, port and check follow from the registry’s URL. Done again, it replaces what is there. An ACL token is read from HOLDFAST_CONSUL_TOKEN or CONSUL_HTTP_TOKEN.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal --consul http://127.0.0.1:8500',
    '<%= config.bin %> <%= command.id %> internal --consul http://127.0.0.1:8500 --id docker-registry-2 --address 10.0.0.6 --port 8080',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'the declared registry'})}
  static override readonly flags = {
    consul: Flags.string({required: true, env: 'HOLDFAST_CONSUL', helpValue: 'URL', summary: 'The agent that it is registered at.'}),
    service: Flags.string({
      env: 'HOLDFAST_SERVICE',
      helpValue: 'NAME',
      default: 'docker-registry',
      summary: 'The service. Default: docker-registry.',
    }),
    id: Flags.string({env: 'HOLDFAST_ID', helpValue: 'ID', summary: 'What tells instances apart at the agent. Default: SERVICE-NAME.'}),
    address: Flags.string({env: 'HOLDFAST_ADDRESS', helpValue: 'HOST', summary: 'Where it is found, if not at its URL.'}),
    port: Flags.integer({env: 'HOLDFAST_PORT', min: 1, max: 65_535, helpValue: 'N', summary: 'Its port, if not that of its URL.'}),
    tag: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_TAG',
      helpValue: 'TAG',
      summary: 'Repeatable.',
    }),
    interval: Flags.string({
      env: 'HOLDFAST_INTERVAL',
      helpValue: 'DURATION',
      default: '10s',
      summary: 'How often it is looked at. Default: 10s.',
    }),
    'deregister-after': Flags.string({
      env: 'HOLDFAST_DEREGISTER_AFTER',
      helpValue: 'DURATION',
      default: '90m',
      summary: 'How long it may be down before Consul forgets it. Default: 90m.',
    }),
  }

  async run(): Promise<Registered> {
    const {args, flags} = await this.parse(RegistryRegister)
    const context = this.openContext(flags)
    const [{registerInstance}, {requireRegistry}, {HoldfastError}] = await Promise.all([
      import('../../lib/service-discovery/consul.ts'),
      import('../../lib/registries/find.ts'),
      import('../../lib/core/errors.ts'),
    ])
    const record = await requireRegistry(await context.records(), args.name)
    for (const duration of [flags.interval, flags['deregister-after']]) {
      if (!DURATION.test(duration)) throw new HoldfastError('USAGE', `cannot use "${duration}" as a duration`, {hints: ['10s', '90m']})
    }
    const url = new URL(record.url)
    const address = flags.address ?? url.hostname.replace(/^\[|\]$/g, '')
    const port = flags.port ?? Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    const consul = parseConsulUrl(flags.consul)
    const id = flags.id ?? `${flags.service}-${record.name}`
    await registerInstance(
      {url: consul, token: consulToken(context), network: await consulNetwork(context)},
      {
        id,
        name: flags.service,
        address,
        port,
        tags: flags.tag ?? [],
        check: {
          url: `${url.protocol}//${address.includes(':') ? `[${address}]` : address}:${port}/v2/`,
          interval: flags.interval,
          deregisterAfter: flags['deregister-after'],
          skipTlsVerify: record.insecure,
        },
      },
    )
    this.output.print(text`registered "${record.name}" as ${id} of ${flags.service} at ${consul.origin}`)
    return {registry: record.name, consul: consul.origin, service: flags.service, id, address, port}
  }
}
