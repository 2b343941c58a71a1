import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeChanges} from '../lib/cli/collector-report.ts'
import {readInputText} from '../lib/cli/input-file.ts'
import {MAX_YAML_BYTES, parseDocument} from '../lib/cli/yaml-document.ts'
import type {PlannedChange} from '../lib/collector/document/plan.ts'
import {text} from '../lib/core/terminal-text.ts'

interface Applied {
  readonly isDryRun: boolean
  readonly changes: readonly PlannedChange[]
}

export default class Apply extends CollectorCommand<Applied> {
  static override readonly summary = 'Make the collector what a YAML document says: groups, users, apps, services, registries, policy.'
  static override readonly description =
    `What the document does not name stays as it is, unless --prune. Again, it changes nothing. Secrets are set apart: a new user cannot log in before
"user update --password-stdin", and a new service before "service renew-secret".`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> collector.yaml --dry-run',
    '<%= config.bin %> export | <%= config.bin %> <%= command.id %> -',
  ]
  static override readonly args = {file: Args.string({required: true, description: 'a YAML file; - for standard input'})}
  static override readonly flags = {
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Show what would change, and change nothing.'}),
    prune: Flags.boolean({env: 'HOLDFAST_PRUNE', summary: 'Remove what the document does not name.'}),
  }

  async run(): Promise<Applied> {
    const {args, flags} = await this.parse(Apply)
    const document = await parseDocument(
      await readInputText(args.file, this.openContext(flags).signal, {maxBytes: MAX_YAML_BYTES}),
      args.file,
    )
    const [collector, {applyAll}] = await Promise.all([this.openCollector(flags), import('../lib/collector/api/document.ts')])
    this.leaves(() => ({
      left: flags['dry-run']
        ? 'nothing was changed'
        : 'what was changed before stays; the same command with --dry-run shows what is left to change',
    }))
    const result = await collector.run(applyAll, {document, isDryRun: flags['dry-run'], prune: flags.prune})
    for (const line of describeChanges(result.changes)) this.output.print(line)
    if (result.changes.length === 0) this.output.note(text`there is nothing to change`)
    else if (result.isDryRun) this.output.note(text`nothing was changed: --dry-run`)
    return result
  }
}
