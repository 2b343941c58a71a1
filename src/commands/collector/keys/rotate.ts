import {CollectorCommand} from '../../../lib/cli/collector-command.ts'
import {describeKeys} from '../../../lib/cli/collector-report.ts'

interface SigningKeys {
  readonly authorityEndsAt: string
  readonly keys: readonly {readonly state: 'active' | 'retiring'; readonly since: string; readonly endsAt: string}[]
}

export default class CollectorKeysRotate extends CollectorCommand<SigningKeys> {
  static override readonly summary = 'Sign with a new key from now on; registries notice nothing.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<SigningKeys> {
    const {flags} = await this.parse(CollectorKeysRotate)
    const [collector, {rotateSigningKey}] = await Promise.all([this.openCollector(flags), import('../../../lib/collector/api/keys.ts')])
    const result = await collector.run(rotateSigningKey, {})
    this.printRows(describeKeys(result.keys))
    return result
  }
}
