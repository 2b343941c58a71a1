import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {readSecret} from '../../lib/cli/standard-input.ts'
import {PRIVILEGES, type User} from '../../lib/collector/objects.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

export default class UserAdd extends CollectorCommand<User> {
  static override readonly summary = 'Add a user to the collector.'
  static override readonly description =
    'The name stands for the user in paths (users/NAME/…) and is never given to somebody else. The password is asked for, or read from standard input.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> ann --group ops --privilege Puller,Pusher',
    '<%= config.bin %> <%= command.id %> root --administrator --password-stdin < password',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'letters, digits and . _ @ + -; not digits alone'})}
  static override readonly flags = {
    email: Flags.string({env: 'HOLDFAST_EMAIL', helpValue: 'ADDRESS', summary: 'How to reach the user.'}),
    'password-stdin': Flags.boolean({summary: 'Read the password from standard input.'}),
    administrator: Flags.boolean({env: 'HOLDFAST_ADMINISTRATOR', summary: 'May change users, groups, apps, services and privileges.'}),
    group: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_GROUP',
      helpValue: 'NAME',
      summary: 'Make the user a member of this group; the first one is the primary group. Repeatable.',
    }),
    privilege: Flags.option({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_PRIVILEGE',
      options: PRIVILEGES,
      helpValue: 'NAME',
      summary: 'Manager, Pusher or Puller. Repeatable.',
    })(),
  }

  async run(): Promise<User> {
    const {args, flags} = await this.parse(UserAdd)
    const {name} = args
    const password = flags['password-stdin']
      ? await readSecret('--password-stdin')
      : await this.prompts.secret({message: text`Password of ${name}:`, flag: `holdfast user add ${name} --password-stdin < FILE`})
    const [collector, {addUser, showUser, updateUser}, {addMembers, grantPrivilege, showGroup}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/users.ts'),
      import('../../lib/collector/api/groups.ts'),
    ])
    // Looked for first: a user without his groups is none of those that were asked for.
    for (const group of flags.group ?? []) await collector.run(showGroup, {name: group})
    const {email, administrator} = flags
    await collector.run(addUser, {
      name,
      password: password.reveal(),
      isAdministrator: administrator,
      ...(email === undefined ? {} : {email}),
    })
    for (const group of flags.group ?? []) await collector.run(addMembers, {name: group, users: [name]})
    for (const privilege of flags.privilege ?? []) await collector.run(grantPrivilege, {privilege, users: [name]})
    const [primaryGroup] = flags.group ?? []
    if (primaryGroup !== undefined) await collector.run(updateUser, {name, primaryGroup})
    const user = await collector.run(showUser, {name})
    this.output.print(escapeText(name))
    this.output.note(text`${name} is user ${user.id}: images of that user lie below users/${name}/`)
    return user
  }
}
