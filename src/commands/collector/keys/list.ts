import {CollectorCommand} from '../../../lib/cli/collector-command.ts'
import {describeKeys} from '../../../lib/cli/collector-report.ts'

interface SigningKeys {
  readonly authorityEndsAt: string
  readonly keys: readonly {readonly state: 'active' | 'retiring'; readonly since: string; readonly endsAt: string}[]
}

export default class CollectorKeysList extends CollectorCommand<SigningKeys> {
  static override readonly summary = 'List the keys that tokens are signed with.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<SigningKeys> {
    const {flags} = await this.parse(CollectorKeysList)
    const [collector, {listKeys}] = await Promise.all([this.openCollector(flags), import('../../../lib/collector/api/keys.ts')])
    const result = await collector.run(listKeys, {})
    this.printRows(describeKeys(result.keys))
    return result
  }
}
