import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeChanges} from '../lib/cli/collector-report.ts'
import {readInputText} from '../lib/cli/input-file.ts'
import {readPlan, writePlan} from '../lib/cli/plan-file.ts'
import {formatCount} from '../lib/cli/units.ts'
import {MAX_YAML_BYTES, parseDocument} from '../lib/cli/yaml-document.ts'
import type {Plan} from '../lib/collector/api/document.ts'
import type {Collector} from '../lib/collector/collector.ts'
import type {PlannedChange} from '../lib/collector/document/plan.ts'
import {HoldfastError} from '../lib/core/errors.ts'
import {shellCommand} from '../lib/core/shell.ts'
import {text} from '../lib/core/terminal-text.ts'

interface Applied {
  readonly isDryRun: boolean
  /** Tells whether what the document is about has changed since. */
  readonly state: string
  readonly changes: readonly PlannedChange[]
}

/** What is applied: a document, or a plan that was made of one, with the changes that were reviewed. */
type Wanted = Pick<Plan, 'document' | 'prune' | 'maxRemovals'> & {readonly expectedState?: string; readonly reviewed?: Plan['changes']}

export default class Apply extends CollectorCommand<Applied> {
  static override readonly summary =
    'Make the collector what a YAML document says: groups, users, apps, services, registries, descriptions, settings.'
  static override readonly description =
    `All of it is applied, or nothing. What the document does not name stays as it is, unless --prune: then each section that the document has is made exactly what it says, and an empty section removes all of its kind. A missing section is left alone. Applied again, it changes nothing.
Removals are shown and asked for on a terminal; elsewhere --yes is needed. More than half of a kind, where that is five objects or more, is refused unless --max-removals allows it. What was removed before and is in the document is restored under its old id.
--dry-run makes every change and undoes it, so that it finds every error. --save-plan keeps the plan for a review, and --plan applies it if the collector has not changed since and the plan lists just these changes; its removals are asked for as well.
Secrets are set apart: a new user cannot log in before "user update --password-stdin", and a new service before "service renew-secret".`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> collector.yaml --dry-run',
    '<%= config.bin %> <%= command.id %> collector.yaml --prune --yes',
    '<%= config.bin %> <%= command.id %> collector.yaml --prune --dry-run --save-plan plan.json',
    '<%= config.bin %> <%= command.id %> --plan plan.json --yes',
    '<%= config.bin %> export | <%= config.bin %> <%= command.id %> -',
  ]
  static override readonly args = {file: Args.string({description: 'a YAML file; - for standard input'})}
  static override readonly flags = {
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Show what would change, and change nothing.'}),
    prune: Flags.boolean({exclusive: ['plan'], summary: 'Remove what the sections of the document do not name.'}),
    'max-removals': Flags.integer({
      min: 0,
      exclusive: ['plan'],
      summary: 'Maximum number of objects that may be removed (default: half of a kind, or 4).',
    }),
    'save-plan': Flags.string({
      env: 'HOLDFAST_SAVE_PLAN',
      dependsOn: ['dry-run'],
      exclusive: ['plan'],
      helpValue: 'FILE',
      summary: 'Write the plan into a file, for --plan.',
    }),
    plan: Flags.string({
      exclusive: ['dry-run'],
      helpValue: 'FILE',
      summary: 'Apply this reviewed plan instead of a document, if the collector has not changed since it was made.',
    }),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask before objects are removed.'}),
  }

  async run(): Promise<Applied> {
    const {args, flags} = await this.parse(Apply)
    const {signal} = this.openContext(flags)
    if ((args.file === undefined) === (flags.plan === undefined)) {
      throw new HoldfastError('USAGE', 'cannot apply: name one document, or one plan with --plan', {
        hints: ['holdfast apply collector.yaml --dry-run', 'holdfast apply --plan plan.json'],
      })
    }
    const wanted = flags.plan === undefined ? await readDocument(args.file ?? '-', flags, signal) : await planToApply(flags.plan, signal)
    const collector = await this.openCollector(flags)
    if (flags['dry-run']) return await this.#plan(collector, wanted, flags['save-plan'])
    // A document that removes nothing needs no look.
    const isAgreed = flags.plan === undefined && (flags.yes || !wanted.prune)
    const result = await this.#apply(collector, isAgreed ? wanted : await this.#agree(collector, wanted, {...flags, file: args.file}))
    for (const line of describeChanges(result.changes)) this.output.print(line)
    if (result.changes.length === 0) this.output.note(text`there is nothing to change`)
    return result
  }

  async #plan(collector: Collector, wanted: Wanted, file: string | undefined): Promise<Applied> {
    this.leaves(() => ({left: 'nothing was changed'}))
    const planned = await run(collector, wanted, true)
    for (const line of describeChanges(planned.changes)) this.output.print(line)
    const {document, prune, maxRemovals} = wanted
    const {state, changes} = planned
    if (file !== undefined) {
      await writePlan(file, {
        version: 1,
        state,
        prune,
        ...(maxRemovals === undefined ? {} : {maxRemovals}),
        document,
        changes: changes.map((change) => ({...change, fields: change.fields.map((field) => ({...field}))})),
      })
      this.output.note(text`the plan is in ${file}: ${shellCommand`holdfast apply --plan ${file}`}`)
    }
    this.output.note(changes.length === 0 ? text`there is nothing to change` : text`nothing was changed: --dry-run`)
    return planned
  }

  /** Asks for the removals, if there are any; what is applied then is what was shown, and what was reviewed. */
  async #agree(
    collector: Collector,
    wanted: Wanted,
    {yes, plan, file = '-'}: {readonly yes: boolean; readonly plan: string | undefined; readonly file: string | undefined},
  ): Promise<Wanted> {
    this.leaves(() => ({left: 'nothing was changed'}))
    const {state, changes} = await run(collector, wanted, true)
    if (wanted.reviewed !== undefined && JSON.stringify(wanted.reviewed) !== JSON.stringify(changes)) {
      throw new HoldfastError(
        'CONFLICT',
        `cannot apply the plan "${plan}": the changes that it lists are not those that its document makes`,
        {
          hints: ['holdfast apply FILE --dry-run --save-plan PLAN'],
        },
      )
    }
    const removals = changes.filter(({action}) => action === 'remove')
    if (removals.length > 0 && !yes) {
      for (const line of describeChanges(changes)) this.output.note(line)
      const question = {
        message: text`Apply this, and remove ${formatCount(removals.length, 'object')}?`,
        flag: plan === undefined ? shellCommand`holdfast apply ${file} --prune --yes` : shellCommand`holdfast apply --plan ${plan} --yes`,
      }
      if (!(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', 'nothing was changed')
    }
    return {...wanted, expectedState: state}
  }

  async #apply(collector: Collector, wanted: Wanted): Promise<Applied> {
    this.leaves(() => ({
      left: 'all of the document is applied, or nothing',
      hints: ['holdfast apply FILE --dry-run   # shows what is left to change'],
    }))
    return await run(collector, wanted, false)
  }
}

async function readDocument(
  file: string,
  {prune, 'max-removals': maxRemovals}: {readonly prune: boolean; readonly 'max-removals': number | undefined},
  signal: AbortSignal,
): Promise<Wanted> {
  const document = await parseDocument(await readInputText(file, signal, {maxBytes: MAX_YAML_BYTES}), file)
  return {document, prune, ...(maxRemovals === undefined ? {} : {maxRemovals})}
}

async function planToApply(file: string, signal: AbortSignal): Promise<Wanted> {
  const {document, prune, maxRemovals, state, changes} = await readPlan(file, signal)
  return {document, prune, ...(maxRemovals === undefined ? {} : {maxRemovals}), expectedState: state, reviewed: changes}
}

async function run(collector: Collector, wanted: Wanted, isDryRun: boolean): Promise<Applied> {
  const {applyAll} = await import('../lib/collector/api/document.ts')
  const {reviewed: _, ...input} = wanted
  return await collector.run(applyAll, {...input, isDryRun})
}
