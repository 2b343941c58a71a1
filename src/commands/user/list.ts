import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeUsers} from '../../lib/cli/collector-report.ts'
import type {User} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class UserList extends CollectorCommand<{readonly users: readonly User[]}> {
  static override readonly summary = 'List the users of the collector.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<{readonly users: readonly User[]}> {
    const {flags} = await this.parse(UserList)
    const [collector, {listUsers}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/users.ts')])
    const result = await collector.run(listUsers, {})
    this.printRows(describeUsers(result.users), text`there are no users yet: holdfast user add NAME`)
    return result
  }
}
