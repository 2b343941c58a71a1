import {BaseCommand} from '../../lib/cli/base-command.ts'
import {describeRegistries} from '../../lib/cli/registry-report.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {RegistryRecord} from '../../lib/records/store.ts'

interface RegistryList {
  readonly registries: readonly RegistryRecord[]
}

export default class RegistryListCommand extends BaseCommand<RegistryList> {
  static override summary = 'List the declared registries.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --json | jq -r '.result.registries[].host'",
  ]

  async run(): Promise<RegistryList> {
    const {flags} = await this.parse(RegistryListCommand)
    const registries = await (await this.openContext(flags).records()).listRegistries()
    if (registries.length === 0) this.output.note(text`no registry is declared yet: holdfast registry add NAME URL`)
    else for (const line of describeRegistries(registries)) this.output.print(line)
    return {registries}
  }
}
