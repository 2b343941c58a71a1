import * as Args from '@oclif/core/args'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {describeTags} from '../../lib/cli/tag-report.ts'
import {ACCESS_FLAGS, SOURCE_FLAGS, sourceTransport} from '../../lib/cli/transfer-flags.ts'
import {parseNamed} from '../../lib/oci/reference.ts'
import type {ListedTag} from '../../lib/tags/list-tags.ts'

export interface ListedTags {
  /** `host[:port]/name` */
  readonly repository: string
  readonly tags: readonly ListedTag[]
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
  static override readonly flags = {...SOURCE_FLAGS, ...ACCESS_FLAGS}

  async run(): Promise<ListedTags> {
    const {args, flags} = await this.parse(TagList)
    const {registry, repository} = parseNamed(args.repository)
    const context = this.openContext(flags)
    const [{listTags}, store] = await Promise.all([
      import('../../lib/tags/list-tags.ts'),
      context.openRepository({registry, repository}, {transport: sourceTransport(flags)}),
    ])
    const tags = await listTags({registry, repository}, store, {signal: context.signal})
    for (const line of describeTags(tags)) this.output.print(line)
    return {repository: `${registry}/${repository}`, tags}
  }
}
