import * as Args from '@oclif/core/args'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import type {CheckedRegistry} from '../../lib/cli/checked-registry.ts'
import {chooseRegistry} from '../../lib/cli/choose-registry.ts'
import type {Context} from '../../lib/cli/context.ts'
import {registryDependencies} from '../../lib/cli/registry-dependencies.ts'
import {describeStep} from '../../lib/cli/registry-report.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import type {TrustStep} from '../../lib/collector/trust-check.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {RegistryCheck as Check, CheckStep} from '../../lib/registries/check.ts'

interface CheckResult extends Check {
  /** For a registry that the collector manages: whether they trust each other. */
  readonly trust?: readonly TrustStep[]
}

export default class RegistryCheck extends BaseCommand<CheckResult> {
  static override summary = 'Diagnose a registry: DNS, TCP, TLS, API, login, and what may be done there.'

  static override description =
    `Works for declared registries, for those that the collector manages, by their names, and for any other host. Nothing is left behind: an upload is started and cancelled in the repository "holdfast-check", and what is deleted does not exist.
For a registry that the collector manages, tokens, catalog, events and index are checked as well, if you are an administrator or a manager who is responsible for it. The exit code is that of the first step that fails.`

  static override examples = [
    {description: 'The default registry', command: '<%= config.bin %> <%= command.id %>'},
    {description: 'One that is declared here, or managed by the collector', command: '<%= config.bin %> <%= command.id %> internal'},
    {description: 'One that is not declared yet', command: '<%= config.bin %> <%= command.id %> registry.example.com:5000'},
  ]

  static override args = {
    name: Args.string({description: 'its name here or at the collector, or its host; the default registry when absent'}),
  }

  static override flags = {...ACCESS_FLAGS}

  async run(): Promise<CheckResult> {
    const {args, flags} = await this.parse(RegistryCheck)
    const context = this.openContext(flags)
    const [{findCheckedRegistry}, {checkRegistry}] = await Promise.all([
      import('../../lib/cli/checked-registry.ts'),
      import('../../lib/registries/check.ts'),
    ])
    const dependencies = await registryDependencies(context)
    const {store} = dependencies
    const given = args.name ?? (await store.findDefaultRegistry())?.name
    const checked = await findCheckedRegistry(context, store, await chooseRegistry(given, store, this.prompts, 'check'))
    const {endpoint, subject} = checked
    const listener = (step: CheckStep): void => {
      for (const line of describeStep(step)) this.output.print(line)
    }
    const check = await checkRegistry(endpoint, subject, {...dependencies, listener})
    const trust = await this.#checkTrust(context, checked)
    const failed = check.steps.find(({status}) => status === 'failed')
    if (failed?.code !== undefined) {
      throw new HoldfastError(failed.code, `cannot use registry "${check.registry}" for everything: ${failed.name} failed`, {
        hints: failed.hints,
        details: {check: {...check, ...(trust === undefined ? {} : {trust})}},
      })
    }
    const distrust = trust?.find(({status}) => status === 'failed')
    if (distrust !== undefined) {
      throw new HoldfastError(
        'CONFIGURATION',
        `registry "${check.registry}" and the collector do not go together: ${distrust.name} failed`,
        {
          hints: distrust.hints,
          details: {check: {...check, trust}},
        },
      )
    }
    return {...check, ...(trust === undefined ? {} : {trust})}
  }

  /** For a registry that the collector manages: whether they trust each other. */
  async #checkTrust(context: Context, {managed, unasked}: CheckedRegistry): Promise<readonly TrustStep[] | undefined> {
    if (unasked !== undefined) this.output.note(text`the collector was not asked: ${unasked.message}`)
    if (managed === undefined) return undefined
    const [collector, {checkRegistryTrust}, {isOfCollector}] = await Promise.all([
      context.collector(undefined),
      import('../../lib/collector/api/access.ts'),
      import('../../lib/cli/checked-registry.ts'),
    ])
    try {
      const {steps} = await collector.run(checkRegistryTrust, {name: managed.name})
      for (const step of steps) for (const line of describeStep(step)) this.output.print(line)
      return steps
    } catch (error) {
      if (!isOfCollector(error)) throw error
      this.output.note(text`whether it and the collector trust each other was not checked: ${error.message}`)
      return undefined
    }
  }
}
