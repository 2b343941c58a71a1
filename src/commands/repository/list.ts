import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeRepositories} from '../../lib/cli/collector-report.ts'
import type {IndexedRepository} from '../../lib/collector/objects.ts'
import {text} from '../../lib/core/terminal-text.ts'

type Listed = Omit<IndexedRepository, 'name'> & {readonly name: string}

/** As many as one request gives. */
const PAGE_ENTRIES = 1000

export default class RepositoryList extends CollectorCommand<{readonly repositories: readonly Listed[]}> {
  static override readonly summary = 'List the repositories of a managed registry that you may pull or delete, by name.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal']
  static override readonly args = {registry: Args.string({required: true, description: 'the managed registry'})}

  async run(): Promise<{readonly repositories: readonly Listed[]}> {
    const {args, flags} = await this.parse(RepositoryList)
    const {signal} = this.openContext(flags)
    const [collector, {listRepositories}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/repositories.ts'),
    ])
    const repositories: Listed[] = []
    for (let hasMore = true; hasMore; ) {
      signal.throwIfAborted()
      const after = repositories.at(-1)?.name
      const page = await collector.run(listRepositories, {
        registry: args.registry,
        limit: PAGE_ENTRIES,
        ...(after === undefined ? {} : {after}),
      })
      repositories.push(...page.repositories)
      ;({hasMore} = page)
    }
    this.printRows(describeRepositories(repositories), text`there is no repository that you may pull or delete`)
    return {repositories}
  }
}
