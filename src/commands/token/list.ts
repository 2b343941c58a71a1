import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeTokens} from '../../lib/cli/collector-report.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface GivenToken {
  readonly id: number
  readonly account: string
  readonly service: string
  readonly client: string
  readonly createdAt: string
  readonly usedAt: string
  readonly expiresAt: string
}

interface TokenListResult {
  readonly tokens: readonly GivenToken[]
}

export default class TokenList extends CollectorCommand<TokenListResult> {
  static override readonly summary = 'List the identity tokens that the collector has given out.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<TokenListResult> {
    const {flags} = await this.parse(TokenList)
    const [collector, {listTokens}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/tokens.ts')])
    const result = await collector.run(listTokens, {})
    this.printRows(describeTokens(result.tokens), text`no identity token was given out`)
    return result
  }
}
