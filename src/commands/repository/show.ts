import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeIndexedTags, describeRepositories} from '../../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../../lib/cli/managed-repository.ts'
import type {IndexedRepository} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface ShownRepository {
  readonly repository: Omit<IndexedRepository, 'name'>
  readonly tags: readonly {readonly tag: string; readonly digest: string; readonly pushedAt: string; readonly attachment?: string}[]
}

export default class RepositoryShow extends CollectorCommand<ShownRepository> {
  static override readonly summary = 'Show a repository of a managed registry as the collector knows it, with its tags, newest first.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal/apps/shop/web']
  static override readonly args = {
    repository: Args.string({required: true, description: 'REGISTRY/REPOSITORY: a managed registry, and its repository'}),
  }

  async run(): Promise<ShownRepository> {
    const {args, flags} = await this.parse(RepositoryShow)
    const [collector, {showRepository}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/repositories.ts')])
    const result = await collector.run(showRepository, parseManagedRepository(args.repository))
    this.printRows(describeRepositories([result.repository]))
    this.printRows(describeIndexedTags(result.tags), text`it has no tags`)
    return result
  }
}
