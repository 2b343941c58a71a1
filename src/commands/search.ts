import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeRepositories} from '../lib/cli/collector-report.ts'
import type {IndexedRepository} from '../lib/collector/objects.ts'
import {text} from '../lib/core/terminal-text.ts'

interface SearchResult {
  /** How many there are for whoever asks. */
  readonly count: number
  readonly repositories: readonly Omit<IndexedRepository, 'name'>[]
}

export default class Search extends CollectorCommand<SearchResult> {
  static override readonly summary = 'Find repositories of the managed registries by name and description.'
  static override readonly description =
    'The exact name first, then official ones, by stars and by pulls. A user finds what he may pull, and nothing else. The term may begin with "docker:".'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> web',
    '<%= config.bin %> <%= command.id %> "docker: web"',
    '<%= config.bin %> <%= command.id %> "" --registry internal --limit 100',
  ]
  static override readonly args = {term: Args.string({required: true, description: 'what name or description contains'})}
  static override readonly flags = {
    registry: Flags.string({env: 'HOLDFAST_REGISTRY', helpValue: 'NAME', summary: 'In this registry only.'}),
    limit: Flags.integer({env: 'HOLDFAST_LIMIT', min: 1, max: 1000, default: 25, summary: 'The best so many. Default: 25.'}),
  }

  async run(): Promise<SearchResult> {
    const {args, flags} = await this.parse(Search)
    const [collector, {searchRepositories}] = await Promise.all([this.openCollector(flags), import('../lib/collector/api/access.ts')])
    const {registry, limit} = flags
    // As OpenSVC's collector has it: the kind of thing to search for, before the term.
    const term = args.term.replace(/^docker:\s*/, '')
    const result = await collector.run(searchRepositories, {term, limit, ...(registry === undefined ? {} : {registry})})
    this.printRows(describeRepositories(result.repositories), text`nothing was found`)
    if (result.count > result.repositories.length)
      this.output.note(text`${result.count - result.repositories.length} more: --limit ${result.count}`)
    return result
  }
}
