import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeUsers} from '../../lib/cli/collector-report.ts'
import {readSecret} from '../../lib/cli/standard-input.ts'
import type {User} from '../../lib/collector/objects.ts'

export default class UserUpdate extends CollectorCommand<User> {
  static override readonly summary = 'Change a user. One who is disabled has nothing any more, at once.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> ann --disabled',
    '<%= config.bin %> <%= command.id %> ann --password-stdin < password',
    '<%= config.bin %> <%= command.id %> ann --no-administrator --email ann@example.com',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'the user'})}
  static override readonly flags = {
    email: Flags.string({env: 'HOLDFAST_EMAIL', helpValue: 'ADDRESS', summary: 'How to reach the user.'}),
    'password-stdin': Flags.boolean({summary: 'Read a new password from standard input; identity tokens of the old one end.'}),
    administrator: Flags.boolean({
      allowNo: true,
      env: 'HOLDFAST_ADMINISTRATOR',
      summary: 'May change users, groups, apps, services and privileges.',
    }),
    'primary-group': Flags.string({
      env: 'HOLDFAST_PRIMARY_GROUP',
      helpValue: 'GROUP',
      summary: 'The group of the user that a new registry of the user is for.',
    }),
    disabled: Flags.boolean({
      allowNo: true,
      env: 'HOLDFAST_DISABLED',
      summary: 'Take everything away, or give it back with --no-disabled.',
    }),
  }

  async run(): Promise<User> {
    const {args, flags} = await this.parse(UserUpdate)
    const password = flags['password-stdin'] ? (await readSecret('--password-stdin')).reveal() : undefined
    const [collector, {updateUser}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/users.ts')])
    const {email, administrator, disabled} = flags
    const user = await collector.run(updateUser, {
      name: args.name,
      ...(email === undefined ? {} : {email}),
      ...(password === undefined ? {} : {password}),
      ...(administrator === undefined ? {} : {isAdministrator: administrator}),
      ...(disabled === undefined ? {} : {isDisabled: disabled}),
      ...(flags['primary-group'] === undefined ? {} : {primaryGroup: flags['primary-group']}),
    })
    this.printRows(describeUsers([user]))
    return user
  }
}
