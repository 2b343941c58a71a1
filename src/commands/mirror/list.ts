import {BaseCommand} from '../../lib/cli/base-command.ts'
import {MIRROR_FLAGS} from '../../lib/cli/mirror-flags.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {formatBytes, formatCount, formatMinute} from '../../lib/cli/units.ts'
import type {ListedImage} from '../../lib/mirror/kept.ts'

interface MirrorImages {
  readonly images: readonly ListedImage[]
}

export default class MirrorList extends BaseCommand<MirrorImages> {
  static override readonly summary = 'List the images that a mirror keeps, with their size and last use.'
  static override readonly description =
    'Reads the folder of the mirror on this machine, or the registry of --store; the mirror may run meanwhile. An incomplete image cannot be served without the upstream. In a registry only tags can be listed.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --upstream ghcr.io --json',
  ]
  static override readonly flags = {...MIRROR_FLAGS}

  async run(): Promise<MirrorImages> {
    const {flags} = await this.parse(MirrorList)
    const context = this.openContext(flags)
    const [{listImages}, {upstreams}] = await Promise.all([
      import('../../lib/mirror/kept.ts'),
      openUpstreams(context, flags.upstream, {store: flags.store}),
    ])
    const images: ListedImage[] = []
    for (const upstream of upstreams) {
      const cache = await upstream.openCache()
      context.defer(() => cache.close())
      images.push(...(await listImages(upstream, cache.kept, context.signal)))
    }
    const rows = images.map(({image, tags, sizeBytes, lastUsedAt, isComplete, missingPlatforms}) => [
      image,
      tags.join(' ') || '-',
      formatBytes(sizeBytes),
      lastUsedAt === undefined ? '-' : formatMinute(lastUsedAt),
      isComplete ? (missingPlatforms === 0 ? 'complete' : `${formatCount(missingPlatforms, 'platform')} not cached`) : 'incomplete',
    ])
    for (const line of formatTable(['IMAGE', 'TAGS', 'SIZE', 'LAST USED (UTC)', 'STATE'], rows)) this.output.print(line)
    return {images}
  }
}
