import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {chooseTags} from '../../lib/cli/choose-tags.ts'
import {tagDeletions} from '../../lib/cli/data-directory.ts'
import {type ErrorBody, errorBody} from '../../lib/cli/error-report.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {recordRemoval} from '../../lib/cli/removed-images.ts'
import {describeDeleted} from '../../lib/cli/tag-report.ts'
import {ACCESS_FLAGS, SOURCE_FLAGS, sourceTransport} from '../../lib/cli/transfer-flags.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import {DEFAULT_TAG, formatReference} from '../../lib/oci/reference.ts'
import type {DeletedTag, TagReference} from '../../lib/tags/delete-tag.ts'

export interface DeletedTags {
  readonly deleted: readonly DeletedTag[]
  readonly failures: readonly {readonly reference: string; readonly error: ErrorBody}[]
}

export default class TagDelete extends BaseCommand<DeletedTags> {
  static override readonly summary = 'Delete tags and leave those that name the same image.'
  static override readonly description =
    `A registry that deletes tags is asked to; one that deletes manifests only gets the tag moved to an empty manifest first, so that nothing but the tag goes.
Before a tag is moved, what it names is written down in the data directory: after a crash, the same command finishes the deletion, and until then
"tag list", "copy", "inspect" and "cache-image" warn of the tag.
Where neither is possible, every tag of the repository is looked up, 16 at once: 50,000 tags take as many requests and some minutes. The tags that would go along are named, and nothing is deleted unless you agree: on a terminal, or with --include-siblings.
Without a tag, on a terminal, you choose from a list.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web:v1',
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web:v1 registry.example.com/shop/web:v2 --include-siblings',
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web',
  ]
  static override readonly strict = false
  static override readonly args = {reference: Args.string({required: true, description: 'REPOSITORY:TAG; more than one may follow.'})}
  static override readonly flags = {
    'include-siblings': Flags.boolean({
      env: 'HOLDFAST_INCLUDE_SIBLINGS',
      summary: 'Where only the whole manifest can be deleted, delete every tag that names it.',
    }),
    ...SOURCE_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<DeletedTags> {
    const {argv, flags} = await this.parse(TagDelete)
    const context = this.openContext(flags)
    const access = {transport: sourceTransport(flags)}
    const [{deleteTag}, {createDeletionJournal}, chosen] = await Promise.all([
      import('../../lib/tags/delete-tag.ts'),
      import('../../lib/tags/deletion-journal.ts'),
      chooseTags(argv.map(String), context, access, this.prompts),
    ])
    const journal = createDeletionJournal(tagDeletions(context.dataDirectory))
    const deleted: DeletedTag[] = []
    const failures: {reference: TagReference; error: unknown}[] = []
    const mayDelete = async (siblings: readonly string[]): Promise<boolean> =>
      flags['include-siblings'] ||
      (this.prompts.isInteractive &&
        (await this.prompts.confirm({
          message: text`Delete ${siblings.join(', ')} as well, which name the same image?`,
          flag: '--include-siblings',
        })))
    // One after the other: a question about one must not be answered for another.
    for (const [index, reference] of chosen.entries()) {
      this.leaves(() => ({
        left: [...deleted.map((done) => `${done.reference} is deleted`), `${formatReference(reference)} names what it named`].join('; '),
        hints: [`holdfast tag delete ${chosen.slice(index).map(formatReference).join(' ')}`],
        result: {deleted, failures: describeFailures(failures)},
      }))
      try {
        const store = await context.openRepository(reference, access)
        const done = await deleteTag(reference, store, {
          signal: context.signal,
          journal,
          mayDelete,
          onSearch: () =>
            this.output.note(
              text`looking up every tag of ${reference.registry}/${reference.repository}, to find those that name the same image`,
            ),
        })
        // Another tag of the image may go while the image stays.
        if (done.manifestDeleted || reference.tag === DEFAULT_TAG) {
          await recordRemoval({...reference, digest: done.digest}, context)
        }
        deleted.push(done)
        this.output.print(escapeText(done.reference))
        this.output.note(describeDeleted(done))
      } catch (error) {
        if (context.signal.aborted) throw error
        failures.push({reference, error})
      }
    }
    return assertAllDeleted(deleted, failures)
  }
}

/** @throws the failure of a single tag as it is; {PartialFailure} when some of several failed. */
function assertAllDeleted(deleted: readonly DeletedTag[], failures: readonly {reference: TagReference; error: unknown}[]): DeletedTags {
  const [first] = failures
  if (first === undefined) return {deleted, failures: []}
  if (deleted.length === 0 && failures.length === 1) throw first.error
  const result = {deleted, failures: describeFailures(failures)}
  throw new PartialFailure(
    `cannot delete ${failures.length} of ${formatCount(deleted.length + failures.length, 'tag')}: ${result.failures.map(({error}) => error.message).join('; ')}`,
    result,
    [`holdfast tag delete ${result.failures.map(({reference}) => reference).join(' ')}`],
  )
}

function describeFailures(failures: readonly {reference: TagReference; error: unknown}[]): DeletedTags['failures'] {
  return failures.map(({reference, error}) => ({reference: formatReference(reference), error: errorBody(error)}))
}
