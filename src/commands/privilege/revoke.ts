import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describePrivileges} from '../../lib/cli/collector-report.ts'
import {PRIVILEGES, type Privilege} from '../../lib/collector/objects.ts'

interface Holders {
  readonly privilege: Privilege
  /** User names. */
  readonly holders: readonly string[]
}

export default class PrivilegeRevoke extends CollectorCommand<Holders> {
  static override readonly summary = 'Take a privilege from users.'
  static override readonly description =
    'Manager: declares registries, deletes, and pushes to any path of those that it answers for. Pusher and Puller: push and pull at all. The paths and groups decide the rest.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> Pusher ann bob']
  static override readonly strict = false
  static override readonly args = {
    privilege: Args.custom<Privilege>({
      options: [...PRIVILEGES],
      parse: async (text) => PRIVILEGES.find((privilege) => privilege === text) ?? 'Puller',
    })({required: true, description: 'Manager, Pusher or Puller'}),
    user: Args.string({required: true, description: 'a user; more may follow'}),
  }

  async run(): Promise<Holders> {
    const {args, argv, flags} = await this.parse(PrivilegeRevoke)
    const [collector, {revokePrivilege}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/groups.ts')])
    const result = await collector.run(revokePrivilege, {privilege: args.privilege, users: [...new Set(argv.slice(1).map(String))]})
    this.printRows(describePrivileges([result]))
    return result
  }
}
