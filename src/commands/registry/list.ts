import {BaseCommand} from '../../lib/cli/base-command.ts'
import {describeRegistries, describeTrust} from '../../lib/cli/registry-report.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {RegistryRecord, TrustRecord} from '../../lib/records/store.ts'

interface RegistryList {
  readonly registries: readonly RegistryRecord[]
  /** Hosts that may have the credentials of a registry, declared or not, besides those pinned in its record. */
  readonly trustedHosts: readonly TrustRecord[]
}

export default class RegistryListCommand extends BaseCommand<RegistryList> {
  static override summary = 'List the declared registries, and the hosts that may have credentials.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --json | jq -r '.result.registries[].host'",
  ]

  async run(): Promise<RegistryList> {
    const {flags} = await this.parse(RegistryListCommand)
    const records = await this.openContext(flags).records()
    const [registries, trustedHosts] = await Promise.all([records.listRegistries(), records.listTrust()])
    if (registries.length === 0) this.output.note(text`no registry is declared yet: holdfast registry add NAME URL`)
    else for (const line of describeRegistries(registries, trustedHosts)) this.output.print(line)
    const declared = new Set(registries.map(({host}) => host))
    for (const trust of trustedHosts) if (!declared.has(trust.registry)) this.output.note(describeTrust(trust))
    return {registries, trustedHosts}
  }
}
