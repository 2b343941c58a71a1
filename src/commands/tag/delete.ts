import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {chooseTags} from '../../lib/cli/choose-tags.ts'
import {tagDeletions} from '../../lib/cli/data-directory.ts'
import {type ErrorBody, errorBody} from '../../lib/cli/error-report.ts'
import type {GlobalFlags} from '../../lib/cli/global-flags.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {recordRemoval} from '../../lib/cli/removed-images.ts'
import {describeDeleted} from '../../lib/cli/tag-report.ts'
import {ACCESS_FLAGS, SOURCE_FLAGS, sourceTransport} from '../../lib/cli/transfer-flags.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import {DEFAULT_TAG, formatReference} from '../../lib/oci/reference.ts'
import type {DeletedTag, TagReference} from '../../lib/tags/delete-tag.ts'

export interface DeletedTags {
  readonly deleted: readonly (Omit<DeletedTag, 'digest' | 'siblings'> & {readonly digest: string; readonly siblings: readonly string[]})[]
  readonly failures: readonly {readonly reference: string; readonly error: ErrorBody}[]
}

export default class TagDelete extends BaseCommand<DeletedTags> {
  static override readonly summary = 'Delete tags and leave those that name the same image.'
  static override readonly description =
    `A registry that deletes tags is asked to; one that deletes manifests only gets the tag moved to an empty manifest first, so that nothing but the tag goes.
Before a tag is moved, what it names is written down in the data directory: after a crash, the same command finishes the deletion, and until then
"tag list", "copy", "inspect" and "cache-image" warn of the tag.
Where neither is possible, every tag of the repository is looked up, 16 at once: 50,000 tags take as many requests and some minutes. The tags that would go along are named, and nothing is deleted unless you agree: on a terminal, or with --include-siblings.
Without a tag, on a terminal, you choose from a list.
With --by-collector, the collector deletes by its own rights at a registry that it manages, if its access policy lets you: owners delete their own images, managers everything in registries that they are responsible for. No right to pull is needed, and the owner finds the deletion in "holdfast events". REFERENCE is then REGISTRY/REPOSITORY:TAG, with the registry's name or host.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web:v1',
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web:v1 registry.example.com/shop/web:v2 --include-siblings',
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web',
    '<%= config.bin %> <%= command.id %> internal/users/bob/web:v1 --by-collector --dry-run',
  ]
  static override readonly strict = false
  static override readonly args = {reference: Args.string({required: true, description: 'REPOSITORY:TAG; more than one may follow.'})}
  static override readonly flags = {
    'include-siblings': Flags.boolean({
      summary: 'Where only the whole manifest can be deleted, delete every tag that names it.',
    }),
    'by-collector': Flags.boolean({
      env: 'HOLDFAST_BY_COLLECTOR',
      summary: 'Have the collector delete, by its own rights at a registry that it manages.',
    }),
    collector: Flags.string({
      env: 'HOLDFAST_COLLECTOR',
      helpValue: 'URL',
      summary: 'With --by-collector, ask this collector; "local" is that of this machine.',
    }),
    'dry-run': Flags.boolean({
      env: 'HOLDFAST_DRY_RUN',
      dependsOn: ['by-collector'],
      summary: 'With --by-collector, show what would be deleted, and delete nothing.',
    }),
    ...SOURCE_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<DeletedTags> {
    const {argv, flags} = await this.parse(TagDelete)
    if (flags['by-collector']) return await this.#deleteByCollector(argv.map(String), flags)
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
      flags['include-siblings'] || (this.prompts.isInteractive && (await this.#mayDelete(siblings)))
    // One after the other: a question about one must not be answered for another.
    for (const [index, reference] of chosen.entries()) {
      this.leaves(() => ({
        left: [...deleted.map((done) => `${done.reference} is deleted`), `${formatReference(reference)} names what it named`].join('; '),
        hints: [`holdfast tag delete ${chosen.slice(index).map(formatReference).join(' ')}`],
        result: {
          deleted,
          failures: describeFailures(failures.map(({reference: failed, error}) => ({reference: formatReference(failed), error}))),
        },
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
    return assertAllDeleted(
      deleted,
      failures.map(({reference, error}) => ({reference: formatReference(reference), error})),
    )
  }

  async #deleteByCollector(texts: readonly string[], flags: CollectorFlags): Promise<DeletedTags> {
    const {deleteByCollector, parseManagedTags} = await import('../../lib/cli/delete-by-collector.ts')
    const collector = await this.openContext(flags).collector(flags.collector)
    const isDryRun = flags['dry-run']
    const deleted: Deleted[] = []
    const failures: Failure[] = []
    for (const wanted of await parseManagedTags(texts, collector)) {
      this.leaves(() => ({
        left: 'what was deleted before is deleted; the registry may still carry out the last deletion',
        hints: [`holdfast repository show ${wanted.registry}/${wanted.repository}`],
        result: {deleted, failures: describeFailures(failures)},
      }))
      const first = await deleteByCollector(collector, wanted, {includeSiblings: flags['include-siblings'], isDryRun})
      deleted.push(...first.deleted)
      for (const {reference, error, siblings} of first.failures) {
        // Asked only where the registry cannot delete the tag alone.
        if (siblings.length === 0 || !this.prompts.isInteractive || !(await this.#mayDelete(siblings))) failures.push({reference, error})
        else {
          const tags = [reference.slice(reference.lastIndexOf(':') + 1)]
          const second = await deleteByCollector(collector, {...wanted, tags}, {includeSiblings: true, isDryRun})
          deleted.push(...second.deleted)
          failures.push(...second.failures)
        }
      }
    }
    for (const one of deleted) {
      this.output.print(escapeText(one.reference))
      if (isDryRun)
        this.output.note(
          text`${one.digest}; ${one.siblings.length === 0 ? 'no other tag names' : `${one.siblings.join(', ')} name`} the same image`,
        )
      else this.output.note(describeDeleted(one))
    }
    if (isDryRun) this.output.note(text`nothing was deleted: --dry-run`)
    return assertAllDeleted(deleted, failures, ' --by-collector')
  }

  async #mayDelete(siblings: readonly string[]): Promise<boolean> {
    return await this.prompts.confirm({
      message: text`Delete ${siblings.join(', ')} as well, which name the same image?`,
      flag: '--include-siblings',
    })
  }
}

interface CollectorFlags extends GlobalFlags {
  readonly collector?: string | undefined
  readonly 'include-siblings': boolean
  readonly 'dry-run': boolean
}

type Deleted = DeletedTags['deleted'][number]

interface Failure {
  readonly reference: string
  readonly error: unknown
}

/** @throws the failure of a single tag as it is; {PartialFailure} when some of several failed. */
function assertAllDeleted(deleted: readonly Deleted[], failures: readonly Failure[], flag = ''): DeletedTags {
  const [first] = failures
  if (first === undefined) return {deleted, failures: []}
  if (deleted.length === 0 && failures.length === 1) throw first.error
  const result = {deleted, failures: describeFailures(failures)}
  throw new PartialFailure(
    `cannot delete ${failures.length} of ${formatCount(deleted.length + failures.length, 'tag')}: ${result.failures.map(({error}) => error.message).join('; ')}`,
    result,
    [`holdfast tag delete ${result.failures.map(({reference}) => reference).join(' ')}${flag}`],
  )
}

function describeFailures(failures: readonly Failure[]): DeletedTags['failures'] {
  return failures.map(({reference, error}) => ({reference, error: errorBody(error)}))
}
