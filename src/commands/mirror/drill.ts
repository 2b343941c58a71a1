import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {mirroredImages, openCutMirror, readImageList} from '../../lib/cli/cut-mirror.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/units.ts'
import type {DrilledImage} from '../../lib/mirror/drill.ts'

interface Drill {
  readonly images: readonly DrilledImage[]
}

export default class MirrorDrill extends BaseCommand<Drill> {
  static override readonly summary =
    'Prove that a mirror survives an outage of its upstream: pull all that it has, twice, with the upstream cut.'
  static override readonly description =
    `Serves what the mirror on this machine has from another port with an upstream that never answers, pulls each image whole and hashed, starts it anew and pulls again.
The running mirror goes on meanwhile, nothing of it is changed, and its upstream is asked nothing. Images are those of FILE, one a line, or every tag that the mirror has. What would have failed is listed, and the exit code is 9.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> images.txt --upstream docker.io --json',
  ]
  static override readonly args = {file: Args.string({description: 'a list of images that have to survive'})}
  static override readonly flags = {
    upstream: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      required: true,
      env: 'HOLDFAST_UPSTREAM',
      helpValue: 'URL',
      summary: 'As it was given to "mirror serve". Repeatable.',
    }),
    store: Flags.string({env: 'HOLDFAST_STORE', helpValue: 'REGISTRY[/PREFIX]', summary: 'As it was given to "mirror serve".'}),
  }

  async run(): Promise<Drill> {
    const {args, flags} = await this.parse(MirrorDrill)
    const context = this.openContext(flags)
    const [{drill}, {upstreams}] = await Promise.all([
      import('../../lib/mirror/drill.ts'),
      openUpstreams(context, flags.upstream, flags.store),
    ])
    const listed = args.file === undefined ? undefined : await readImageList(args.file)
    const images: DrilledImage[] = []
    for (const upstream of upstreams) {
      const wanted = listed?.filter(({registry}) => registry === upstream.name) ?? (await mirroredImages(upstream))
      images.push(
        ...(await drill(wanted, {
          openCutMirror: () => openCutMirror(context, upstream),
          onRound: (round) =>
            this.output.note(
              `${upstream.name}: pulling ${formatCount(wanted.length, 'image')}, ${round === 'cut' ? 'the upstream is cut' : 'after a restart'}`,
            ),
          signal: context.signal,
        })),
      )
    }
    const rows = images.map(({image, outcome, sizeBytes, missingPlatforms, reason}) => [
      image,
      outcome,
      formatBytes(sizeBytes),
      reason ?? (missingPlatforms === 0 ? '-' : `${formatCount(missingPlatforms, 'platform')} never asked for`),
    ])
    for (const line of formatTable(['IMAGE', 'OUTCOME', 'SIZE', 'REMARK'], rows)) this.output.print(line)
    const elsewhere = listed?.filter(({registry}) => !upstreams.some(({name}) => name === registry)) ?? []
    if (elsewhere.length > 0) this.output.warn(`${formatCount(elsewhere.length, 'image')} of other registries were left out`)
    const failed = images.filter(({outcome}) => outcome !== 'served')
    if (failed.length === 0) return {images}
    throw new PartialFailure(
      `cannot survive an outage: ${failed.length} of ${formatCount(images.length, 'image')} could not be pulled`,
      {images},
      [`holdfast inspect MIRROR/…   # through the mirror, while its upstream answers`],
    )
  }
}
