import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeIndexedTags, describeRepositories} from '../../lib/cli/collector-report.ts'
import {parseManagedRepository} from '../../lib/cli/managed-repository-name.ts'
import type {IndexedRepository} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface ShownRepository {
  readonly repository: Omit<IndexedRepository, 'name'>
  readonly tags: readonly {
    readonly tag: string
    readonly digest: string
    readonly pushedAt: string
    readonly attachment?: string
    readonly sizeBytes?: number
  }[]
}

export default class RepositoryShow extends CollectorCommand<ShownRepository> {
  static override readonly summary = 'Show a repository of a managed registry as the collector knows it, with its tags, newest first.'
  static override readonly description =
    'Works for repositories that you may pull or delete: managers see those of the registries that they are responsible for.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal/apps/shop/web',
    '<%= config.bin %> <%= command.id %> internal/apps/shop/web --sizes',
  ]
  static override readonly args = {
    repository: Args.string({required: true, description: 'REGISTRY/REPOSITORY: a managed registry, and its repository'}),
  }

  static override readonly flags = {
    sizes: Flags.boolean({env: 'HOLDFAST_SIZES', summary: 'Ask the registry how large the images are: two requests for each one or more.'}),
  }

  async run(): Promise<ShownRepository> {
    const {args, flags} = await this.parse(RepositoryShow)
    const [collector, {showRepository}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/repositories.ts')])
    const result = await collector.run(showRepository, {
      ...parseManagedRepository(args.repository),
      ...(flags.sizes ? {sizes: true} : {}),
    })
    this.printRows(describeRepositories([result.repository]))
    this.printRows(describeIndexedTags(result.tags), text`it has no tags`)
    return result
  }
}
