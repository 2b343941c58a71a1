import * as Args from '@oclif/core/args'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {findLoginPlace} from '../lib/cli/login-place.ts'
import {describeKind, describeRateLimit} from '../lib/cli/login-report.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'
import type {Identity} from '../lib/login/who-am-i.ts'

interface WhoAmIResult extends Identity {
  readonly pathPrefix?: string
  /** Where the credential was found. */
  readonly source: 'environment' | 'keychain' | 'docker-config'
  /** The keychain that keeps it. */
  readonly keychain?: string
  readonly loggedInAt?: string
}

export default class WhoAmI extends BaseCommand<WhoAmIResult> {
  static override readonly summary = 'Show who you are at a registry, which the registry is asked, and what it says of rate limits.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> docker.io --json',
    '<%= config.bin %> <%= command.id %> registry.example.com --account ci',
  ]
  static override readonly args = {registry: Args.string({description: 'name, host, or host/path; the default registry when absent'})}
  static override readonly flags = {...ACCESS_FLAGS}

  async run(): Promise<WhoAmIResult> {
    const {args, flags} = await this.parse(WhoAmI)
    const context = this.openContext(flags)
    const [records, {whoAmI}, {findEndpoint}, {findIdentitySource}] = await Promise.all([
      context.records(),
      import('../lib/login/who-am-i.ts'),
      import('../lib/registries/find.ts'),
      import('../lib/cli/identity-source.ts'),
    ])
    const {registry, pathPrefix, nameOrHost} = await findLoginPlace(records, args.registry, 'whoami')
    const {endpoint} = await findEndpoint(records, nameOrHost, context.signal)
    const {who, ...found} = await findIdentitySource(context, {registry, pathPrefix, account: flags.account})
    const {openHttp, signal} = await context.loginNetwork()
    const warn = (message: string): void => this.output.warn(escapeText(message))
    const identity = await whoAmI(who, endpoint, {logins: await context.logins(), openHttp, pathPrefix, signal, warn})
    const {account, kind, isProven, tokenExpiresAt, rateLimit} = identity
    this.output.print(escapeText(account ?? describeKind(kind)))
    this.output.note(text`${describeKind(kind)} from ${found.keychain ?? found.source}`)
    if (!isProven) this.output.note(text`not proven: ${registry} answers without asking who you are`)
    if (tokenExpiresAt !== undefined) this.output.note(text`the token ends on ${tokenExpiresAt}`)
    if (rateLimit !== undefined) this.output.note(describeRateLimit(rateLimit))
    return {...identity, ...found}
  }
}
