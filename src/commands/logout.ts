import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import type {Context} from '../lib/cli/context.ts'
import {findLoginPlace} from '../lib/cli/login-place.ts'
import {text} from '../lib/core/terminal-text.ts'
import type {LoginRecord} from '../lib/records/store.ts'

interface LogoutResult {
  /** The logins that are no more. */
  readonly removed: readonly LoginRecord[]
  /** The API of Cloud Foundry whose session is no more. */
  readonly cloudFoundry?: string
}

export default class Logout extends BaseCommand<LogoutResult> {
  static override readonly summary = 'Forget a login, and remove its secret from the keychain.'
  static override readonly description =
    'The registry is not asked: a token that it has given stays good until it ends, or until the registry takes it back.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> registry.example.com',
    '<%= config.bin %> <%= command.id %> docker.io/acme --account ci',
    {description: 'Every login at every registry', command: '<%= config.bin %> <%= command.id %> --all'},
  ]
  static override readonly args = {registry: Args.string({description: 'as it was given to login; the default registry when absent'})}
  static override readonly flags = {
    all: Flags.boolean({env: 'HOLDFAST_ALL', summary: 'Every account of REGISTRY; without REGISTRY, every login.'}),
    cf: Flags.boolean({exclusive: ['all', 'account'], summary: 'The session of `login --cf`; that of cf is left alone.'}),
    account: Flags.string({env: 'HOLDFAST_ACCOUNT', helpValue: 'NAME', summary: 'The login of this account.'}),
  }

  async run(): Promise<LogoutResult> {
    const {args, flags} = await this.parse(Logout)
    const context = this.openContext(flags)
    const {all, account} = flags
    if (flags.cf) return await this.#logOutOfCloudFoundry(context)
    const isEverything = all && args.registry === undefined
    const place = isEverything ? undefined : await findLoginPlace(await context.records(), args.registry, 'logout')
    const [{logOut}, {loginTarget}, logins] = await Promise.all([
      import('../lib/login/log-out.ts'),
      import('../lib/credentials/logins.ts'),
      context.logins(),
    ])
    const removed = await logOut({registry: place?.registry, pathPrefix: place?.pathPrefix, account, all}, logins)
    await this.#distrust(context, removed)
    for (const login of removed) this.output.print(text`Logged out of ${loginTarget(login)} as ${login.account}`)
    if (removed.length === 0) this.output.note(text`there was no login`)
    return {removed}
  }

  /** Hosts that a login has trusted go with the last login at the registry. */
  async #distrust(context: Context, removed: readonly LoginRecord[]): Promise<void> {
    const [records, logins] = await Promise.all([context.records(), context.logins()])
    for (const registry of new Set(removed.map((login) => login.registry))) {
      if ((await logins.list(registry)).length === 0) await records.distrustHosts(registry, 'login')
    }
  }

  async #logOutOfCloudFoundry(context: Context): Promise<LogoutResult> {
    const {forgetSession} = await import('../lib/cli/cloud-foundry.ts')
    const cloudFoundry = await forgetSession(context)
    if (cloudFoundry === undefined) this.output.note(text`there was no login`)
    else this.output.print(text`Logged out of ${cloudFoundry}`)
    return {removed: [], ...(cloudFoundry === undefined ? {} : {cloudFoundry})}
  }
}
