import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeRepositories} from '../../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../../lib/cli/managed-repository-name.ts'
import type {IndexedRepository} from '../../lib/collector/objects.ts'

type Starred = Omit<IndexedRepository, 'name'>

export default class RepositoryStar extends CollectorCommand<Starred> {
  static override readonly summary = 'Give a repository a star, once a user, or take it back.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal/base',
    '<%= config.bin %> <%= command.id %> internal/base --remove',
  ]
  static override readonly args = {
    repository: Args.string({required: true, description: 'REGISTRY/REPOSITORY: a managed registry, and its repository'}),
  }
  static override readonly flags = {remove: Flags.boolean({env: 'HOLDFAST_REMOVE', summary: 'Take it back.'})}

  async run(): Promise<Starred> {
    const {args, flags} = await this.parse(RepositoryStar)
    const [collector, {starRepository}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/repositories.ts')])
    const starred = await collector.run(starRepository, {
      ...parseManagedRepository(args.repository),
      isStarred: !flags.remove,
    })
    this.printRows(describeRepositories([starred]))
    return starred
  }
}
