import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {warnOfHalfDeleted} from '../../lib/cli/half-deleted.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {describeTags} from '../../lib/cli/tag-report.ts'
import {ACCESS_FLAGS, SOURCE_FLAGS, sourceTransport} from '../../lib/cli/transfer-flags.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {excerpt} from '../../lib/core/redaction.ts'
import {text} from '../../lib/core/terminal-text.ts'
import {parseNamed} from '../../lib/oci/reference.ts'
import type {BrokenTag, ListedTag} from '../../lib/tags/list-tags.ts'

/** A lookup takes up to three requests. */
const DEFAULT_LIMIT = 1000
/** Invalid tag names can be many, and long. */
const MAX_INVALID_SHOWN = 3
const MAX_BROKEN_SHOWN = 10

export interface ListedTags {
  /** `host[:port]/name` */
  readonly repository: string
  readonly tags: readonly ListedTag[]
  /** Tags beyond --limit, which are not looked up. */
  readonly others: readonly string[]
  /** Tags whose manifest is gone or cannot be read; absent when there are none. */
  readonly broken?: readonly BrokenTag[]
  /** Names in the registry's list that are not valid tags; absent when there are none. */
  readonly invalid?: {readonly count: number; readonly names: readonly string[]}
}

export default class TagList extends BaseCommand<ListedTags> {
  static override readonly summary = 'List the tags of a repository, newest image first: digest, age, size, platforms.'
  static override readonly description =
    'Tags that name the same digest stand together in the last column: deleting that manifest would delete them all.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web',
    "<%= config.bin %> <%= command.id %> alpine --json | jq -r '.result.tags[].tag'",
  ]
  static override readonly args = {repository: Args.string({required: true, description: 'What you would pull, without a tag.'})}
  static override readonly flags = {
    limit: Flags.integer({
      env: 'HOLDFAST_LIMIT',
      min: 1,
      default: DEFAULT_LIMIT,
      summary: 'Maximum number of tags that are looked up; further ones are listed by name only.',
    }),
    ...SOURCE_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<ListedTags> {
    const {args, flags} = await this.parse(TagList)
    const {registry, repository} = parseNamed(args.repository)
    const context = this.openContext(flags)
    const [{listTags}, store] = await Promise.all([
      import('../../lib/tags/list-tags.ts'),
      context.openRepository({registry, repository}, {transport: sourceTransport(flags)}),
    ])
    const {tags, others, invalid, broken, incomplete} = await listTags({registry, repository}, store, {
      signal: context.signal,
      limit: flags.limit,
    })
    const name = `${registry}/${repository}`
    await warnOfHalfDeleted(
      tags.map(({tag, digest}) => ({reference: {registry, repository, tag}, digest})),
      context,
      this.output,
    )
    for (const line of describeTags(tags, others)) this.output.print(line)
    for (const {tag, reason} of broken.slice(0, MAX_BROKEN_SHOWN))
      this.output.warn(text`${name}:${tag} is in the list and cannot be read: ${reason}`)
    if (broken.length > MAX_BROKEN_SHOWN)
      this.output.warn(text`${formatCount(broken.length - MAX_BROKEN_SHOWN, 'more tag')} of ${name} cannot be read: --json names them`)
    if (tags.length + broken.length === 0) this.output.note(text`${name} has no tags`)
    if (others.length > 0) {
      this.output.note(
        text`${formatCount(others.length, 'more tag')}, by name only: holdfast tag list ${name} --limit ${tags.length + broken.length + others.length}`,
      )
    }
    const names = invalid.slice(0, MAX_INVALID_SHOWN).map((one) => excerpt(one))
    if (names.length > 0) {
      const more = invalid.length > names.length ? ', …' : ''
      this.output.warn(
        text`${formatCount(invalid.length, 'name')} in the list of ${name} cannot be a tag, left out: ${names.join(', ')}${more}`,
      )
    }
    const result = {
      repository: name,
      tags,
      others,
      ...(broken.length === 0 ? {} : {broken}),
      ...(names.length === 0 ? {} : {invalid: {count: invalid.length, names}}),
    }
    if (incomplete !== undefined) throw new PartialFailure(incomplete.message, result)
    return result
  }
}
