import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeManagedRegistries} from '../../lib/cli/collector-report.ts'
import type {ManagedRegistry} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class RegistryManaged extends CollectorCommand<{readonly registries: readonly ManagedRegistry[]}> {
  static override readonly summary = 'List the registries that the collector is the authority of.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly registries: readonly ManagedRegistry[]}> {
    const {flags} = await this.parse(RegistryManaged)
    const [collector, {listManagedRegistries}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/registries.ts'),
    ])
    const result = await collector.run(listManagedRegistries, {})
    this.printRows(
      describeManagedRegistries(result.registries),
      text`the collector manages no registry yet: holdfast registry manage NAME --url URL`,
    )
    return result
  }
}
