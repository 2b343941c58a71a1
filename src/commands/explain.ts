import * as Args from '@oclif/core/args'
import {ACTIONS, type Action} from '../lib/access/decide.ts'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeDecisions} from '../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../lib/cli/managed-repository-name.ts'

interface Explanation {
  readonly principal: string
  readonly registry: string
  readonly repository: string
  readonly decisions: readonly {
    readonly action: Action
    readonly granted: boolean
    readonly rule: string
    readonly reason: string
    /** Commands for an administrator, where it is refused. */
    readonly remedies?: readonly string[]
    /** The repository below which the account may do the same. */
    readonly below?: string
  }[]
}

export default class Explain extends CollectorCommand<Explanation> {
  static override readonly summary = 'Tell what an account may do in a repository, and by which rule.'
  static override readonly description =
    'REFERENCE is the name of a managed registry and a repository: embedded/users/ann/web. A tag or digest behind it changes nothing.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> ann embedded/apps/shop/web',
    '<%= config.bin %> <%= command.id %> web@service internal/apps/shop/web pull',
  ]
  static override readonly args = {
    principal: Args.string({required: true, description: 'user name, or NAME@service'}),
    reference: Args.string({required: true, description: 'REGISTRY/REPOSITORY'}),
    action: Args.custom<Action>({
      options: [...ACTIONS],
      parse: async (text) => ACTIONS.find((action) => action === text) ?? 'pull',
    })({description: 'pull, push or delete; all three when absent'}),
  }

  async run(): Promise<Explanation> {
    const {args, flags} = await this.parse(Explain)
    const [collector, {explainAccess}] = await Promise.all([this.openCollector(flags), import('../lib/collector/api/access.ts')])
    const result = await collector.run(explainAccess, {
      principal: args.principal,
      ...parseManagedRepository(args.reference),
      ...(args.action === undefined ? {} : {action: args.action}),
    })
    this.printRows(describeDecisions(result.decisions))
    return result
  }
}
