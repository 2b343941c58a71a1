import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import type {Context} from '../../lib/cli/context.ts'
import {mirroredImages, openCutMirror, readImageList} from '../../lib/cli/cut-mirror.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/units.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {DrilledImage} from '../../lib/mirror/drill.ts'
import {parseRegistryHost, type Reference} from '../../lib/oci/reference.ts'
import type {MirroredUpstream} from '../../lib/server/mirror.ts'

interface Drill {
  readonly images: readonly DrilledImage[]
}

export default class MirrorDrill extends BaseCommand<Drill> {
  static override readonly summary =
    'Prove that a mirror survives an outage of its upstream: pull all that it has, twice, with the upstream cut.'
  static override readonly description =
    `Serves what the mirror on this machine has from another port with an upstream that never answers, pulls each image whole and hashed, starts it anew and pulls again.
The running mirror goes on meanwhile, nothing of it is changed, and its upstream is asked nothing. Images are those of FILE, one a line, or those that a log has seen pulled, or every tag that the mirror has. What would have failed is listed, and the exit code is 9.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> images.txt --upstream docker.io --json',
    '<%= config.bin %> <%= command.id %> --access-log /var/log/nginx/access.log --upstream docker.io',
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
    'from-log': Flags.boolean({
      env: 'HOLDFAST_FROM_LOG',
      exclusive: ['access-log'],
      summary: 'What was pulled from the upstreams, by the event log of the collector that manages them.',
    }),
    'access-log': Flags.string({
      env: 'HOLDFAST_ACCESS_LOG',
      helpValue: 'FILE',
      summary: 'What was pulled through the mirror, by the access log of the nginx before it.',
    }),
    collector: Flags.string({
      env: 'HOLDFAST_COLLECTOR',
      helpValue: 'URL',
      summary: 'The collector of --from-log; "local" is that of this machine. Default: the one of "collector use".',
    }),
  }

  async run(): Promise<Drill> {
    const {args, flags} = await this.parse(MirrorDrill)
    const context = this.openContext(flags)
    const [{drill}, {upstreams}] = await Promise.all([
      import('../../lib/mirror/drill.ts'),
      openUpstreams(context, flags.upstream, {store: flags.store}),
    ])
    const listed = await this.#listed(context, args.file, flags, upstreams)
    const images: DrilledImage[] = []
    for (const upstream of upstreams) {
      const wanted = listed?.filter(({registry}) => registry === upstream.name) ?? (await mirroredImages(upstream))
      images.push(
        ...(await drill(wanted, {
          openCutMirror: () => openCutMirror(context, upstream),
          onRound: (round) =>
            this.output.note(
              text`${upstream.name}: pulling ${formatCount(wanted.length, 'image')}, ${round === 'cut' ? 'the upstream is cut' : 'after a restart'}`,
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
    if (elsewhere.length > 0) this.output.warn(text`${formatCount(elsewhere.length, 'image')} of other registries were left out`)
    const failed = images.filter(({outcome}) => outcome !== 'served')
    if (failed.length === 0) return {images}
    throw new PartialFailure(
      `cannot survive an outage: ${failed.length} of ${formatCount(images.length, 'image')} could not be pulled`,
      {images},
      [`holdfast inspect MIRROR/…   # through the mirror, while its upstream answers`],
    )
  }

  /** Undefined for all that the mirror has. */
  async #listed(
    context: Context,
    file: string | undefined,
    flags: {
      readonly 'from-log'?: boolean | undefined
      readonly 'access-log'?: string | undefined
      readonly collector?: string | undefined
    },
    upstreams: readonly MirroredUpstream[],
  ): Promise<readonly Reference[] | undefined> {
    const log = flags['access-log']
    if (file !== undefined && (log !== undefined || flags['from-log'])) {
      throw new HoldfastError('USAGE', 'cannot drill: name a list or a log, not both', {
        hints: [`holdfast mirror drill ${file} --upstream docker.io`],
      })
    }
    if (file !== undefined) return await readImageList(file, context.signal)
    if (log !== undefined) {
      const {loggedImages} = await import('../../lib/cli/warming.ts')
      return await loggedImages(
        log,
        upstreams.map(({name}) => parseRegistryHost(name)),
        context.signal,
      )
    }
    if (!flags['from-log']) return undefined
    const {seenImages} = await import('../../lib/cli/warming.ts')
    return await seenImages(await context.collector(flags.collector))
  }
}
