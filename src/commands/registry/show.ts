import * as Args from '@oclif/core/args'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {chooseRegistry} from '../../lib/cli/choose-registry.ts'
import {describeRegistry} from '../../lib/cli/registry-report.ts'
import type {RegistryRecord, TrustRecord} from '../../lib/records/store.ts'

interface ShownRegistry extends RegistryRecord {
  /** Hosts that may have its credentials besides those pinned. */
  readonly trustedHosts: readonly Omit<TrustRecord, 'registry'>[]
}

export default class RegistryShow extends BaseCommand<ShownRegistry> {
  static override summary = 'Show what is known of a declared registry.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> internal',
    '<%= config.bin %> <%= command.id %> registry.example.com:5000 --json',
  ]

  static override args = {name: Args.string({description: 'its name or host'})}

  async run(): Promise<ShownRegistry> {
    const {args, flags} = await this.parse(RegistryShow)
    const {requireRegistry} = await import('../../lib/registries/find.ts')
    const store = await this.openContext(flags).records()
    const registry = await requireRegistry(store, await chooseRegistry(args.name, store, this.prompts, 'show'))
    const trust = (await store.listTrust()).filter((one) => one.registry === registry.host)
    for (const line of describeRegistry(registry, trust)) this.output.print(line)
    return {...registry, trustedHosts: trust.map(({host, trustedBy}) => ({host, trustedBy}))}
  }
}
