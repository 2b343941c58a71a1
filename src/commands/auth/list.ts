import {BaseCommand} from '../../lib/cli/base-command.ts'
import {describeFoundationSessions, type FoundationSession, listFoundationSessions} from '../../lib/cli/cloud-foundry-sessions.ts'
import {describeLogins} from '../../lib/cli/login-report.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {LoginRecord} from '../../lib/records/store.ts'

interface AuthList {
  readonly logins: readonly LoginRecord[]
  /** Where their secrets are. */
  readonly keychain: string
  /** Credential helpers that may be run. */
  readonly allowedHelpers: readonly string[]
  /** The sessions of Cloud Foundry, the one that is used first. */
  readonly cloudFoundry: readonly FoundationSession[]
}

export default class AuthListCommand extends BaseCommand<AuthList> {
  static override readonly summary =
    'List the logins, newest first, the sessions of Cloud Foundry, and the credential helpers that may be run. Asks neither registry nor keychain.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --json | jq -r '.result.logins[].registry'",
  ]

  async run(): Promise<AuthList> {
    const {flags} = await this.parse(AuthListCommand)
    const context = this.openContext(flags)
    const [records, keychain] = await Promise.all([context.records(), context.keychain()])
    const [logins, allowedHelpers, cloudFoundry] = await Promise.all([
      records.listLogins(),
      records.listAllowedHelpers(),
      listFoundationSessions(context),
    ])
    if (logins.length > 0) for (const line of describeLogins(logins)) this.output.print(line)
    this.output.note(logins.length === 0 ? text`no login is kept: holdfast login REGISTRY` : text`their secrets are in ${keychain.name}`)
    for (const line of describeFoundationSessions(cloudFoundry)) this.output.print(line)
    if (allowedHelpers.length > 0) this.output.note(text`allowed credential helpers: ${allowedHelpers.join(', ')}`)
    return {logins, keychain: keychain.name, allowedHelpers, cloudFoundry}
  }
}
