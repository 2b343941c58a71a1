import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeUsers} from '../../lib/cli/collector-report.ts'
import type {User} from '../../lib/collector/objects.ts'

export default class UserShow extends CollectorCommand<User> {
  static override readonly summary = 'Show a user, with groups and privileges.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> ann']
  static override readonly args = {name: Args.string({required: true, description: 'the user'})}

  async run(): Promise<User> {
    const {args, flags} = await this.parse(UserShow)
    const [collector, {showUser}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/users.ts')])
    const user = await collector.run(showUser, {name: args.name})
    this.printRows(describeUsers([user]))
    return user
  }
}
