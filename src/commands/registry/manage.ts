import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeManagedRegistries} from '../../lib/cli/collector-report.ts'
import type {Context} from '../../lib/cli/context.ts'
import {type ManagedRegistry, TOKEN_HEADERS} from '../../lib/collector/objects.ts'
import {HoldfastError, hasCode} from '../../lib/core/errors.ts'

export default class RegistryManage extends CollectorCommand<ManagedRegistry> {
  static override readonly summary = 'Make the collector the authority of a registry, or change what it grants there.'
  static override readonly description =
    'The registry is told to trust the tokens of the collector (auth: token), and the collector is trusted with its credentials here. Groups that are given replace those that were.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal --url https://registry.example.com --publication everybody --responsible ops',
    '<%= config.bin %> <%= command.id %> internal --no-restricted',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'what people call it'})}
  static override readonly flags = {
    url: Flags.string({env: 'HOLDFAST_URL', helpValue: 'URL', summary: 'Where it is; needed the first time.'}),
    service: Flags.string({env: 'HOLDFAST_SERVICE', helpValue: 'NAME', summary: 'The audience of its tokens. Default: its host.'}),
    insecure: Flags.boolean({allowNo: true, env: 'HOLDFAST_INSECURE', summary: 'Do not check its certificate.'}),
    restricted: Flags.boolean({allowNo: true, env: 'HOLDFAST_RESTRICTED', summary: 'Pushing takes responsibility. The default.'}),

    responsible: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_RESPONSIBLE',
      helpValue: 'GROUP',
      summary: 'A group that answers for it. Repeatable.',
    }),
    publication: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_PUBLICATION',
      helpValue: 'GROUP',
      summary: 'A group that sees it. Repeatable.',
    }),

    'token-header': Flags.option({
      options: TOKEN_HEADERS,
      env: 'HOLDFAST_TOKEN_HEADER',
      helpValue: 'FORM',
      summary: 'How its tokens name their key: x5c (default), kid-libtrust, kid-rfc7638.',
    })(),
    'token-life': Flags.integer({
      env: 'HOLDFAST_TOKEN_LIFE',
      min: 60,
      helpValue: 'SECONDS',
      summary: 'How long a token is good. Default: 900.',
    }),
  }

  async run(): Promise<ManagedRegistry> {
    const {args, flags} = await this.parse(RegistryManage)
    const [collector, {manageRegistry, showManagedRegistry, updateManagedRegistry}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/registries.ts'),
    ])
    const {name} = args
    const {url, service, insecure, restricted, responsible, publication} = flags
    const facts = {
      ...(service === undefined ? {} : {service}),
      ...(insecure === undefined ? {} : {insecure}),
      ...(restricted === undefined ? {} : {restricted}),
      ...(responsible === undefined ? {} : {responsibles: responsible}),
      ...(publication === undefined ? {} : {publications: publication}),
      ...(flags['token-header'] === undefined ? {} : {tokenHeader: flags['token-header']}),
      ...(flags['token-life'] === undefined ? {} : {tokenLifeSeconds: flags['token-life']}),
    }
    const isManaged = await collector.run(showManagedRegistry, {name}).then(
      () => true,
      (error: unknown) => {
        if (hasCode(error, 'OBJECT_NOT_FOUND')) return false
        throw error
      },
    )
    if (!isManaged && url === undefined) {
      throw new HoldfastError('INPUT_REQUIRED', `cannot manage registry "${name}": the collector does not know where it is`, {
        hints: [`holdfast registry manage ${name} --url https://registry.example.com`],
      })
    }
    const registry =
      isManaged || url === undefined
        ? await collector.run(updateManagedRegistry, {name, ...facts, ...(url === undefined ? {} : {url})})
        : await collector.run(manageRegistry, {name, url, ...facts})
    await this.#trust(this.openContext(flags), registry)
    this.printRows(describeManagedRegistries([registry]))
    return registry
  }

  /** The collector is where the registry sends us for tokens. */
  async #trust(context: Context, registry: ManagedRegistry): Promise<void> {
    const [{trustCollector}, {parseRegistryUrl}, records, chosen] = await Promise.all([
      import('../../lib/cli/collector-realm.ts'),
      import('../../lib/registries/registry-url.ts'),
      context.records(),
      context.chosenCollector(),
    ])
    await trustCollector(records, chosen === undefined ? await context.embeddedRegistry() : parseRegistryUrl(chosen).host, [registry])
  }
}
