import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {chooseRegistry} from '../../lib/cli/choose-registry.ts'
import {confirmRealm} from '../../lib/cli/confirm-realm.ts'
import {registryDependencies} from '../../lib/cli/registry-dependencies.ts'
import {REGISTRY_FLAGS, registryChange} from '../../lib/cli/registry-flags.ts'
import {describeRegistry} from '../../lib/cli/registry-report.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'
import type {RegistryRecord} from '../../lib/records/store.ts'

export default class RegistryUpdate extends BaseCommand<RegistryRecord> {
  static override summary = 'Change a declared registry, or ask it again what it is.'

  static override description = `Only what is given changes; an empty file name (--ca-file "") takes the file away.
The registry is asked again what it is, and the token realm that it names now is pinned instead of the one it named before, by the same rule as in registry add.`

  static override examples = [
    {description: 'Ask it again what it is', command: '<%= config.bin %> <%= command.id %> internal'},
    '<%= config.bin %> <%= command.id %> internal --default',
    {
      description: 'Cache images where its collector lets you push',
      command: '<%= config.bin %> <%= command.id %> internal --prefix apps/shop',
    },
    '<%= config.bin %> <%= command.id %> internal --trust-host blobs.example.com',
    '<%= config.bin %> <%= command.id %> internal --no-insecure --ca-file ca.pem',
  ]

  static override args = {name: Args.string({description: 'its name or host'})}

  static override flags = {
    url: Flags.string({env: 'HOLDFAST_URL', helpValue: 'URL', summary: 'Where it is now.'}),
    ...REGISTRY_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<RegistryRecord> {
    const {args, flags} = await this.parse(RegistryUpdate)
    const context = this.openContext(flags)
    const {updateRegistry} = await import('../../lib/registries/declare.ts')
    const change = {url: flags.url, ...registryChange(flags)}
    const dependencies = {...(await registryDependencies(context)), confirmRealm: confirmRealm(this.prompts)}
    const name = await chooseRegistry(args.name, dependencies.store, this.prompts, 'update')
    const {registry, notes} = await updateRegistry(name, change, dependencies)
    for (const line of describeRegistry(registry)) this.output.print(line)
    for (const note of notes) this.output.note(escapeText(note))
    return registry
  }
}
