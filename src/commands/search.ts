import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {describeRepositories} from '../lib/cli/collector-report.ts'
import type {IndexedRepository} from '../lib/collector/objects.ts'
import {text} from '../lib/core/terminal-text.ts'

interface SearchResult {
  /** How many there are for the account that asks; at least so many where there are more. */
  readonly count: number
  /** There are more than were counted. */
  readonly isMore: boolean
  readonly repositories: readonly Omit<IndexedRepository, 'name'>[]
}

export default class Search extends CollectorCommand<SearchResult> {
  static override readonly summary = 'Find repositories of the managed registries by name and description.'
  static override readonly description =
    `The exact name first, then names that end with the term, begin with it and contain it, then descriptions; among equals official ones, by stars and by pulls.
A user finds what he may pull, and nothing else. A term of one character is looked for at the beginning of components, one of two characters in names alone. Of very many matches, 200 or as many as --limit are ranked.
The term may begin with "docker:".`
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
    const result = await collector.run(searchRepositories, {term: args.term, limit, ...(registry === undefined ? {} : {registry})})
    this.printRows(describeRepositories(result.repositories), text`nothing was found`)
    if (result.isMore) this.output.note(text`more than ${result.count}: a longer term finds less`)
    else if (result.count > result.repositories.length) {
      this.output.note(text`${result.count - result.repositories.length} more: --limit ${result.count}`)
    }
    return result
  }
}
