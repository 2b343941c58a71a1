import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'

interface Revoked {
  /** How many. */
  readonly revoked: number
}

export default class TokenRevoke extends CollectorCommand<Revoked> {
  static override readonly summary = 'Take identity tokens back: one by its id, or all of a user.'
  static override readonly description = 'What a token was exchanged for ends by itself, after the token life of the registry.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> 17', '<%= config.bin %> <%= command.id %> --user ann']
  static override readonly args = {id: Args.integer({description: 'as token list shows it'})}
  static override readonly flags = {user: Flags.string({env: 'HOLDFAST_USER', helpValue: 'NAME', summary: 'All tokens of this user.'})}

  async run(): Promise<Revoked> {
    const {args, flags} = await this.parse(TokenRevoke)
    const {id} = args
    const {user} = flags
    if ((id === undefined) === (user === undefined)) {
      throw new HoldfastError('USAGE', 'cannot revoke: name the id of a token, or a user with --user', {hints: ['holdfast token list']})
    }
    const [collector, {revokeToken, revokeTokensOf}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/tokens.ts'),
    ])
    const result = user === undefined ? await collector.run(revokeToken, {id: id ?? 0}) : await collector.run(revokeTokensOf, {name: user})
    this.output.print(escapeText(String(result.revoked)))
    return result
  }
}
