import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeRepositories} from '../../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../../lib/cli/managed-repository-name.ts'
import type {IndexedRepository} from '../../lib/collector/objects.ts'

type Described = Omit<IndexedRepository, 'name'>

export default class RepositoryDescribe extends CollectorCommand<Described> {
  static override readonly summary = 'Describe a repository, or mark it as official or automated: search shows it.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal/base --description "What everything is built on" --official',
    '<%= config.bin %> <%= command.id %> internal/base --no-official',
  ]
  static override readonly args = {
    repository: Args.string({required: true, description: 'REGISTRY/REPOSITORY: a managed registry, and its repository'}),
  }
  static override readonly flags = {
    description: Flags.string({env: 'HOLDFAST_DESCRIPTION', helpValue: 'TEXT', summary: 'A sentence about it.'}),
    official: Flags.boolean({allowNo: true, env: 'HOLDFAST_OFFICIAL', summary: 'Recommended by those who answer for the registry.'}),
    automated: Flags.boolean({allowNo: true, env: 'HOLDFAST_AUTOMATED', summary: 'Built by a machine.'}),
  }

  async run(): Promise<Described> {
    const {args, flags} = await this.parse(RepositoryDescribe)
    const [collector, {describeRepository}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/repositories.ts'),
    ])
    const {description, official, automated} = flags
    const repository = await collector.run(describeRepository, {
      ...parseManagedRepository(args.repository),
      ...(description === undefined ? {} : {description}),
      ...(official === undefined ? {} : {isOfficial: official}),
      ...(automated === undefined ? {} : {isAutomated: automated}),
    })
    this.printRows(describeRepositories([repository]))
    return repository
  }
}
