import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import type {Context} from '../../lib/cli/context.ts'
import {describeDeviceCode} from '../../lib/cli/login-report.ts'
import type {CollectorSession, RemoteCollectorPlace} from '../../lib/cli/remote-collector.ts'
import {readSecret} from '../../lib/cli/standard-input.ts'
import {TRUST_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import type {DeviceCode} from '../../lib/login/identity-provider.ts'

interface UsedCollector {
  /** `local` for the one of this machine. */
  readonly collector: string
  readonly account?: string
  /** When the session ends. */
  readonly expiresAt?: string
}

const LOCAL = 'local'

export default class CollectorUse extends BaseCommand<UsedCollector> {
  static override readonly summary = 'Choose the collector that commands ask, and log in to it; "local" is the one of this machine.'
  static override readonly description =
    'A session of a week is kept in the keychain. The collector is trusted with the credentials of the registries that it manages. In CI, HOLDFAST_COLLECTOR=URL with HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD needs neither.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> https://registry.example.com',
    '<%= config.bin %> <%= command.id %> https://registry.example.com --username ann --password-stdin < password',
    '<%= config.bin %> <%= command.id %> https://registry.example.com --sso',
    '<%= config.bin %> <%= command.id %> local',
  ]
  static override readonly args = {url: Args.string({required: true, description: 'https://host[:port], or local'})}
  static override readonly flags = {
    username: Flags.string({char: 'u', env: 'HOLDFAST_USERNAME', helpValue: 'NAME', summary: 'Who logs in.'}),
    'password-stdin': Flags.boolean({summary: 'Read the password from standard input.'}),
    sso: Flags.boolean({
      env: 'HOLDFAST_SSO',
      exclusive: ['username', 'password-stdin'],
      summary: 'Log in with a browser, here or elsewhere, at the identity provider of the collector.',
    }),
    'identity-provider': Flags.string({
      env: 'HOLDFAST_IDENTITY_PROVIDER',
      helpValue: 'NAME',
      dependsOn: ['sso'],
      summary: 'Which one, where the collector has several.',
    }),
    ...TRUST_FLAGS,
  }

  async run(): Promise<UsedCollector> {
    const {args, flags} = await this.parse(CollectorUse)
    const context = this.openContext(flags)
    const records = await context.records()
    if (args.url === LOCAL) {
      await records.saveSetting('collector', undefined)
      await records.saveSetting('collector-account', undefined)
      this.output.print(escapeText(LOCAL))
      return {collector: LOCAL}
    }
    const {beginSession, findCollectorPlace} = await import('../../lib/cli/remote-collector.ts')
    const place = await findCollectorPlace(context, args.url)
    if (flags.sso) return await this.#signOn(context, place, flags['identity-provider'])
    const account =
      flags.username ??
      (await this.prompts.input({
        message: text`User name:`,
        flag: '--username NAME --password-stdin < FILE',
        validate: (value) => value !== '' || text`It is empty.`,
      }))
    const password = flags['password-stdin']
      ? await readSecret('--password-stdin')
      : await this.prompts.secret({message: text`Password of ${account} at ${place.url}:`, flag: '--password-stdin < FILE'})
    return await this.#keep(context, place, account, await beginSession(context, place, account, password))
  }

  async #signOn(context: Context, place: RemoteCollectorPlace, provider: string | undefined): Promise<UsedCollector> {
    const {beginSessionBySignOn} = await import('../../lib/cli/remote-collector.ts')
    const show = (code: DeviceCode): void => this.output.instruct(describeDeviceCode(code))
    const {account, ...session} = await beginSessionBySignOn(context, place, provider, show)
    return await this.#keep(context, place, account, session)
  }

  async #keep(
    context: Context,
    place: RemoteCollectorPlace,
    account: string,
    {token, expiresAt}: CollectorSession,
  ): Promise<UsedCollector> {
    const [{sessionKey}, records] = await Promise.all([import('../../lib/cli/remote-collector.ts'), context.records()])
    await (await context.keychain()).writeSecret(sessionKey(place, account), token)
    await records.saveSetting('collector', place.url)
    await records.saveSetting('collector-account', account)
    await this.#trust(context, place)
    this.output.print(escapeText(place.url))
    this.output.note(text`commands ask it as ${account} until ${expiresAt}; "holdfast collector use local" goes back`)
    return {collector: place.url, account, expiresAt}
  }

  /** The collector is where its registries send us for tokens. */
  async #trust(context: Context, place: RemoteCollectorPlace): Promise<void> {
    const [{trustCollector}, {listManagedRegistries}, records, collector] = await Promise.all([
      import('../../lib/cli/collector-realm.ts'),
      import('../../lib/collector/api/registries.ts'),
      context.records(),
      context.collector(place.url),
    ])
    const collectorHost = place.endpoint.registry
    try {
      const {registries} = await collector.run(listManagedRegistries, {})
      for (const registry of await trustCollector(records, collectorHost, registries))
        this.output.note(text`${collectorHost} may have the credentials of ${registry}, which it manages`)
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
      this.output.warn(text`${error.message}; ${collectorHost} is not trusted with the credentials of the registries that it manages`)
    }
  }
}
