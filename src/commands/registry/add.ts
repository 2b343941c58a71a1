import * as Args from '@oclif/core/args'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {confirmRealm} from '../../lib/cli/confirm-realm.ts'
import {registryDependencies} from '../../lib/cli/registry-dependencies.ts'
import {REGISTRY_FLAGS, registryChange} from '../../lib/cli/registry-flags.ts'
import {describeRegistry} from '../../lib/cli/registry-report.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {hasCode} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import type {RegistryRecord} from '../../lib/records/store.ts'
import type {DeclareDependencies, DeclareRequest} from '../../lib/registries/declare.ts'
import type {Examination} from '../../lib/registries/examine.ts'

/** What answers the questions without a terminal. */
const ADD = 'holdfast registry add NAME URL'

export default class RegistryAdd extends BaseCommand<RegistryRecord> {
  static override summary = 'Declare a registry: how it is reached, and whom it may send us to.'

  static override description =
    `The registry is asked what it is. Its flavour (HTTP, HTTPS self-signed, HTTPS with a CA), how it authenticates, and its token realm are remembered: credentials and blobs go nowhere else later.
A realm on another host is pinned when --trust-host names it or you say so on a terminal, before anything is sent there; the realms of docker.io and a few other services are known.
On a terminal, whatever is missing is asked for.`

  static override examples = [
    '<%= config.bin %> <%= command.id %> internal https://registry.example.com --default',
    '<%= config.bin %> <%= command.id %> lab https://lab.example.com:5000 --ca-file lab-ca.pem',
    '<%= config.bin %> <%= command.id %> team https://registry.example.com --trust-host auth.example.com',
    '<%= config.bin %> <%= command.id %> attic http://10.0.0.7:5000 --plain-http',
    '<%= config.bin %> <%= command.id %> team https://registry.example.com --prefix apps/shop',
  ]

  static override args = {
    name: Args.string({description: 'what to call it'}),
    url: Args.string({description: 'https://HOST[:PORT], http://HOST[:PORT] or HOST[:PORT]'}),
  }

  static override flags = {...REGISTRY_FLAGS, ...ACCESS_FLAGS}

  async run(): Promise<RegistryRecord> {
    const {args, flags} = await this.parse(RegistryAdd)
    const context = this.openContext(flags)
    await (await context.records()).prepareForWriting()
    const url = args.url ?? (await this.prompts.input({message: text`URL of the registry:`, flag: ADD}))
    const name = args.name ?? (await this.prompts.input({message: text`What to call it:`, flag: ADD}))
    const {registry, notes} = await this.#declare(
      {name, url, ...registryChange(flags)},
      {
        ...(await registryDependencies(context)),
        confirmRealm: confirmRealm(this.prompts),
      },
    )
    for (const line of describeRegistry(registry)) this.output.print(line)
    for (const note of notes) this.output.note(escapeText(note))
    return registry
  }

  /** On a terminal, what a flag would allow may be allowed when it turns out to be needed. */
  async #declare(request: DeclareRequest, dependencies: DeclareDependencies): Promise<Examination> {
    const [{declareRegistry}, {parseRegistryUrl}] = await Promise.all([
      import('../../lib/registries/declare.ts'),
      import('../../lib/registries/registry-url.ts'),
    ])
    try {
      return await declareRegistry(request, dependencies)
    } catch (error) {
      if (!hasCode(error, 'PLAIN_HTTP', 'TLS') || !this.prompts.isInteractive) throw error
      this.output.note(escapeText(error.message))
      const isTls = error.code === 'TLS'
      const question = isTls
        ? {message: text`Go on without checking its certificate?`, flag: '--insecure'}
        : {message: text`Go on without encryption?`, flag: '--plain-http'}
      if (!(await this.prompts.confirm(question))) throw error
      const change = isTls ? {insecure: true} : {plainHttp: true, url: parseRegistryUrl(request.url).host}
      return declareRegistry({...request, ...change}, dependencies)
    }
  }
}
