import * as Args from '@oclif/core/args'
import type {FoundImages} from '../lib/caching/find-cached-images.ts'
import {describeFound} from '../lib/cli/cached-report.ts'
import {CollectorCommand} from '../lib/cli/collector-command.ts'
import {text} from '../lib/core/terminal-text.ts'

export default class Cached extends CollectorCommand<FoundImages> {
  static override readonly summary = 'List what is cached, or find it by GUID, source, digest or app.'
  static override readonly description =
    `Where a collector elsewhere was chosen ("collector use", --collector), it is what all who ask that one have cached; else what this machine has.
A copy that was removed on purpose, or was found damaged and could not be healed, is marked so.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> alpine',
    '<%= config.bin %> <%= command.id %> sha256:beefdbd8 --json',
  ]
  static override readonly args = {
    query: Args.string({description: 'A GUID or digest or the first 6 characters of one, an app, or any part of the source reference.'}),
  }

  async run(): Promise<FoundImages> {
    const {args, flags} = await this.parse(Cached)
    const [{findCachedImages}, {cachedImageSource}] = await Promise.all([
      import('../lib/caching/find-cached-images.ts'),
      import('../lib/cli/shared-records.ts'),
    ])
    const found = await findCachedImages(await cachedImageSource(this.openContext(flags), flags.collector), args.query)
    if (found.images.length === 0)
      this.output.note(args.query === undefined ? text`nothing is cached yet` : text`nothing cached matches "${args.query}"`)
    else for (const line of describeFound(found.images)) this.output.print(line)
    return found
  }
}
