import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {readSecrets} from '../../lib/cli/standard-input.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import type {Secret} from '../../lib/core/secret.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface Changed {
  readonly changed: string
}

export default class UserPassword extends CollectorCommand<Changed> {
  static override readonly summary = 'Change your own password at the collector.'
  static override readonly description =
    `The current password is needed as well, except on the machine of the collector. Sessions and identity tokens of the old password end: log in again afterwards. Administrators set the passwords of other users with "user update --password-stdin".`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> ann --password-stdin < passwords',
  ]
  static override readonly args = {name: Args.string({description: 'the user (default: your account at the collector)'})}
  static override readonly flags = {
    'password-stdin': Flags.boolean({
      summary:
        'Read the current password and the new one from standard input, one a line; on the machine of the collector the new one alone.',
    }),
  }

  async run(): Promise<Changed> {
    const {args, flags} = await this.parse(UserPassword)
    const context = this.openContext(flags)
    const url = await context.chosenCollector(flags.collector)
    const {accountAt} = await import('../../lib/cli/remote-collector.ts')
    const name = args.name ?? (url === undefined ? undefined : await accountAt(context, url))
    if (name === undefined) {
      throw new HoldfastError('INPUT_REQUIRED', 'cannot change a password: it is not known whose', {hints: ['holdfast user password NAME']})
    }
    const [current, next] = await this.#ask(name, url !== undefined, flags['password-stdin'])
    const [collector, {changePassword}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/users.ts')])
    const currentPassword = current === undefined ? {} : {currentPassword: current.reveal()}
    const result = await collector.run(changePassword, {name, password: next.reveal(), ...currentPassword})
    this.output.print(escapeText(name))
    if (url !== undefined) this.output.note(text`sessions of the old password have ended: holdfast collector use ${url} --username ${name}`)
    return result
  }

  async #ask(name: string, needsCurrent: boolean, isPiped: boolean): Promise<readonly [current: Secret | undefined, next: Secret]> {
    if (isPiped) {
      const secrets = await readSecrets('--password-stdin', needsCurrent ? 2 : 1)
      const next = secrets.at(-1)
      if (next !== undefined) return [needsCurrent ? secrets[0] : undefined, next]
    }
    const flag = `holdfast user password ${name} --password-stdin < FILE`
    const current = needsCurrent ? await this.prompts.secret({message: text`Current password of ${name}:`, flag}) : undefined
    const next = await this.prompts.secret({message: text`New password of ${name}:`, flag})
    const again = await this.prompts.secret({message: text`The new password again:`, flag})
    if (again.reveal() !== next.reveal()) throw new HoldfastError('USAGE', `cannot change the password of "${name}": the two differ`)
    return [current, next]
  }
}
