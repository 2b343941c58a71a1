import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {formatYaml} from '../lib/cli/yaml-document.ts'
import type {CollectorDocument} from '../lib/collector/document/document.ts'

export default class Export extends CollectorCommand<CollectorDocument> {
  static override readonly summary = 'Print all objects of the collector as one YAML document, which apply takes; no secrets.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> > collector.yaml']

  async run(): Promise<CollectorDocument> {
    const {flags} = await this.parse(Export)
    const [collector, {exportAll}] = await Promise.all([this.openCollector(flags), import('../lib/collector/api/document.ts')])
    const document = await collector.run(exportAll, {})
    this.output.printDocument(await formatYaml(document))
    return document
  }
}
