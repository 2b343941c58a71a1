import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {type ManagedRepositoryName, parseManagedRepository} from '../../lib/cli/managed-repository-name.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {shellCommand} from '../../lib/core/shell.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface DeletedRepositories {
  readonly isDryRun: boolean
  readonly deleted: readonly {readonly repository: string; readonly tags: readonly string[]}[]
  readonly failures: readonly {
    readonly repository: string
    readonly error: {readonly code: string; readonly message: string; readonly hints: readonly string[]}
    readonly deletedTags: readonly string[]
  }[]
}

/** As many as one request may have. */
const MAX_REPOSITORIES = 100
/** Tags that are named in a question. */
const MAX_TAGS_SHOWN = 20

export default class RepositoryDelete extends CollectorCommand<DeletedRepositories> {
  static override readonly summary = 'Delete repositories of a managed registry, every tag with its image.'
  static override readonly description =
    `The collector deletes by its own rights at the registry, if its access policy lets you: owners delete their own images, managers everything in registries that they are responsible for, administrators everything ("holdfast explain" says by which rule). What goes is shown first, and asked for on a terminal; elsewhere --yes is needed.
The owner finds the deletion in "holdfast events". The registry frees the space when it collects its garbage.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal/users/bob/web --dry-run',
    '<%= config.bin %> <%= command.id %> internal/users/bob/web internal/users/bob/api --yes',
  ]
  static override readonly strict = false
  static override readonly args = {
    repository: Args.string({
      required: true,
      description: 'REGISTRY/REPOSITORY: a managed registry, and its repository; more of the same registry may follow.',
    }),
  }
  static override readonly flags = {
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Show what would be deleted, and delete nothing.'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
  }

  async run(): Promise<DeletedRepositories> {
    const {argv, flags} = await this.parse(RepositoryDelete)
    const named = argv.map((argument) => parseWhole(String(argument)))
    const [registry = '', ...others] = new Set(named.map((one) => one.registry))
    if (others.length > 0) {
      throw new HoldfastError(
        'USAGE',
        `cannot delete repositories of "${[registry, ...others].join('", "')}" at once: name those of one registry`,
      )
    }
    const repositories = [...new Set(named.map((one) => one.repository))]
    const full = repositories.map((repository) => `${registry}/${repository}`)
    if (repositories.length > MAX_REPOSITORIES) {
      throw new HoldfastError('USAGE', `cannot delete ${repositories.length} repositories at once: ${MAX_REPOSITORIES} at most`)
    }
    const [collector, {deleteRepositories}, {readItemFailure}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/deletions.ts'),
      import('../../lib/collector/api/item-failure.ts'),
    ])
    const ask = async (isDryRun: boolean): Promise<DeletedRepositories> => {
      const result = await collector.run(deleteRepositories, {registry, repositories, isDryRun})
      const [failure] = result.failures
      if (failure === undefined) return result
      if (repositories.length === 1) throw readItemFailure(failure.error)
      throw partialFailure(registry, result)
    }
    if (flags['dry-run'] || !flags.yes) {
      const preview = await ask(true)
      for (const {repository, tags} of preview.deleted) {
        this.output.note(text`${registry}/${repository}: ${formatCount(tags.length, 'tag')}${describeTags(tags)}`)
      }
      if (flags['dry-run']) {
        this.output.note(text`nothing was deleted: --dry-run`)
        return preview
      }
      const what = repositories.length === 1 ? `${registry}/${repositories[0]}` : `these ${repositories.length} repositories`
      const question = {
        message: text`Delete ${what} with every tag?`,
        flag: `holdfast repository delete ${full.join(' ')} --yes`,
      }
      if (!(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', 'nothing was deleted')
    }
    this.leaves(() => ({
      left: 'what was deleted before is deleted; the registry may still carry out the last deletion',
      hints: [`holdfast repository list ${registry}`],
    }))
    const result = await ask(false)
    for (const {repository, tags} of result.deleted) {
      this.output.print(escapeText(`${registry}/${repository}`))
      this.output.note(text`${registry}/${repository} is deleted with ${formatCount(tags.length, 'tag')}`)
    }
    return result
  }
}

/** One tag is not the repository. @throws {HoldfastError} USAGE */
function parseWhole(argument: string): ManagedRepositoryName {
  const named = parseManagedRepository(argument)
  if (`${named.registry}/${named.repository}` === argument) return named
  throw new HoldfastError('USAGE', `cannot delete repository "${argument}": it names one image of it`, {
    hints: [shellCommand`holdfast tag delete ${argument} --by-collector`],
  })
}

function describeTags(tags: readonly string[]): string {
  if (tags.length === 0) return ''
  return ` (${tags.slice(0, MAX_TAGS_SHOWN).join(', ')}${tags.length > MAX_TAGS_SHOWN ? ', …' : ''})`
}

function partialFailure(registry: string, result: DeletedRepositories): PartialFailure {
  const {deleted, failures} = result
  return new PartialFailure(
    `cannot delete ${failures.length} of ${formatCount(deleted.length + failures.length, 'repository', 'repositories')}: ${failures.map(({error}) => error.message).join('; ')}`,
    result,
    [`holdfast repository delete ${failures.map(({repository}) => `${registry}/${repository}`).join(' ')}`],
  )
}
