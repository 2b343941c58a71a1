import * as Args from '@oclif/core/args'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {MIRROR_FLAGS} from '../../lib/cli/mirror-flags.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {isOfUpstream, repositoryWithin} from '../../lib/cli/offline-mirror.ts'
import {formatBytes} from '../../lib/cli/units.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {shellCommand} from '../../lib/core/shell.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import type {EvictedImage} from '../../lib/mirror/kept.ts'
import {manifestReference, parseReference} from '../../lib/oci/reference.ts'

export default class MirrorEvict extends BaseCommand<EvictedImage> {
  static override readonly summary = 'Remove an image from a mirror, for example one that was retracted.'
  static override readonly description =
    `Removes the image that IMAGE names, with every tag that names it and the layers that no other image needs. The mirror may run meanwhile; with --store it stops serving the image within a minute.
The upstream is not asked. Clients can pull the image again only while the upstream has it.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> alpine:3.20 --upstream docker.io',
    '<%= config.bin %> <%= command.id %> ghcr.io/acme/web@sha256:… --upstream docker.io --upstream ghcr.io',
  ]
  static override readonly args = {image: Args.string({required: true, description: 'the image, by tag or digest'})}
  static override readonly flags = {...MIRROR_FLAGS}

  async run(): Promise<EvictedImage> {
    const {args, flags} = await this.parse(MirrorEvict)
    const reference = parseReference(args.image)
    const context = this.openContext(flags)
    const [{evictImage}, {upstreams}] = await Promise.all([
      import('../../lib/mirror/kept.ts'),
      openUpstreams(context, flags.upstream, {store: flags.store}),
    ])
    const upstream = upstreams.find((one) => isOfUpstream(one, reference))
    if (upstream === undefined) {
      throw new HoldfastError(
        'USAGE',
        `cannot evict "${args.image.slice(0, 300)}": it is an image of ${reference.registry}, which --upstream does not name`,
        {
          hints: [shellCommand`holdfast mirror evict ${args.image.slice(0, 300)} --upstream ${reference.registry}`],
        },
      )
    }
    const cache = await upstream.openCache()
    context.defer(() => cache.close())
    const repository = repositoryWithin(upstream, reference.repository)
    const evicted = await evictImage(upstream, cache.kept, repository, manifestReference(reference), context.signal)
    this.output.print(escapeText(evicted.image))
    this.output.note(text`evicted with its tags (${evicted.tags.join(', ') || 'none'}); ${formatBytes(evicted.freedBytes)} freed`)
    return evicted
  }
}
