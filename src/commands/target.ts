import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {CF_SECRET_FLAG} from '../lib/cli/cloud-foundry-flags.ts'
import type {Target} from '../lib/cli/cloud-foundry-target.ts'
import {escapeText} from '../lib/core/terminal-text.ts'

export default class TargetCommand extends BaseCommand<Target> {
  static override readonly summary = 'Show which Cloud Foundry, org and space the commands for apps work on, and the account.'
  static override readonly description =
    `The session is that of the variables HOLDFAST_CF_API and so on, else that of \`holdfast login --cf\`, else that of cf. HOLDFAST_CF_ORG and HOLDFAST_CF_SPACE take the place of its target.
With -o or -s, the session of \`holdfast login --cf\` targets another space; that of cf has \`cf target\` for it.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -o acme -s dev',
    'HOLDFAST_CF_API=https://api.example.com HOLDFAST_CF_USERNAME=ci <%= config.bin %> <%= command.id %> --cf-secret-stdin < password',
  ]
  static override readonly flags = {
    org: Flags.string({char: 'o', helpValue: 'NAME', summary: 'The org to target.'}),
    space: Flags.string({char: 's', helpValue: 'NAME', summary: 'The space to target, of the targeted org unless -o names another one.'}),
    ...CF_SECRET_FLAG,
  }

  async run(): Promise<Target> {
    const {flags} = await this.parse(TargetCommand)
    const [{describeTarget, findTarget}, {targetHint}] = await Promise.all([
      import('../lib/cli/cloud-foundry-target.ts'),
      import('../lib/cli/cloud-foundry.ts'),
    ])
    const target = await findTarget(this.openContext(flags), {organization: flags.org, space: flags.space})
    for (const line of describeTarget(target)) this.output.print(line)
    if (target.space === undefined) this.output.note(escapeText(`no space is targeted: ${targetHint(target.session, target.organization)}`))
    return target
  }
}
