import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import type {Context} from '../../lib/cli/context.ts'
import {MIRROR_FLAGS} from '../../lib/cli/mirror-flags.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {isOfUpstream, mirroredImages, openOfflineMirror, readImageList} from '../../lib/cli/offline-mirror.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatTable} from '../../lib/cli/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/units.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {shellCommand} from '../../lib/core/shell.ts'
import {text} from '../../lib/core/terminal-text.ts'
import type {VerifiedImage} from '../../lib/mirror/verify.ts'
import type {Reference} from '../../lib/oci/reference.ts'
import type {MirroredUpstream} from '../../lib/server/mirror.ts'

interface Verification {
  readonly images: readonly VerifiedImage[]
}

export default class MirrorVerify extends BaseCommand<Verification> {
  static override readonly aliases = ['mirror:drill']
  static override readonly summary =
    'Verify that a mirror works without its upstream: pull its images, twice, while the upstream cannot be asked.'
  static override readonly description =
    `Serves what the mirror on this machine has from another port, pulls each image, checks every digest, restarts and pulls again. Use it before an outage does.
The running mirror is not changed, and its upstream receives no request. Images are those of FILE, one a line, those of a log, or everything that the mirror has: every tag, and every image that no tag names.
Lists the images that fail, with the reason: exit code 9. With no image to verify, the exit code is 3.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> images.txt --upstream docker.io --json',
    '<%= config.bin %> <%= command.id %> --access-log /var/log/nginx/access.log --upstream docker.io',
  ]
  static override readonly args = {file: Args.string({description: 'a list of images that must be available'})}
  static override readonly flags = {
    ...MIRROR_FLAGS,
    'from-log': Flags.boolean({
      env: 'HOLDFAST_FROM_LOG',
      exclusive: ['access-log'],
      summary: 'Verify what was pulled from the upstreams, by the event log of the collector that manages them.',
    }),
    'access-log': Flags.string({
      env: 'HOLDFAST_ACCESS_LOG',
      helpValue: 'FILE',
      summary: 'Verify what was pulled through the mirror, by the access log of the nginx before it.',
    }),
    collector: Flags.string({
      env: 'HOLDFAST_COLLECTOR',
      helpValue: 'URL',
      summary: 'The collector of --from-log; "local" is that of this machine. Default: the one of "collector use".',
    }),
  }

  async run(): Promise<Verification> {
    const {args, flags} = await this.parse(MirrorVerify)
    const context = this.openContext(flags)
    const [{verifyOffline}, {upstreams}] = await Promise.all([
      import('../../lib/mirror/verify.ts'),
      openUpstreams(context, flags.upstream, {store: flags.store}),
    ])
    const listed = await this.#listed(context, args.file, flags, upstreams)
    const requested = await Promise.all(
      upstreams.map(async (upstream) => ({
        upstream,
        wanted: listed?.filter((image) => isOfUpstream(upstream, image)) ?? (await mirroredImages(upstream)),
      })),
    )
    if (requested.every(({wanted}) => wanted.length === 0)) throw nothingToVerify(upstreams, listed)
    const images: VerifiedImage[] = []
    for (const {upstream, wanted} of requested) {
      if (wanted.length === 0) continue
      images.push(
        ...(await verifyOffline(wanted, {
          openOfflineMirror: () => openOfflineMirror(context, upstream),
          onRound: (round) =>
            this.output.note(
              text`${upstream.name}: pulling ${formatCount(wanted.length, 'image')}, ${round === 'offline' ? 'without the upstream' : 'after a restart'}`,
            ),
          signal: context.signal,
        })),
      )
    }
    const rows = images.map(({image, outcome, sizeBytes, missingPlatforms, reason}) => [
      image,
      outcome,
      formatBytes(sizeBytes),
      reason ?? (missingPlatforms === 0 ? '-' : `${formatCount(missingPlatforms, 'platform')} not cached`),
    ])
    for (const line of formatTable(['IMAGE', 'OUTCOME', 'SIZE', 'REMARK'], rows)) this.output.print(line)
    const elsewhere = listed?.filter((image) => !upstreams.some((upstream) => isOfUpstream(upstream, image))) ?? []
    if (elsewhere.length > 0)
      this.output.warn(text`${formatCount(elsewhere.length, 'image')} of registries that --upstream does not name: not verified`)
    const failed = images.filter(({outcome}) => outcome !== 'served')
    if (failed.length === 0) return {images}
    throw new PartialFailure(`cannot serve ${failed.length} of ${formatCount(images.length, 'image')} without the upstream`, {images}, [
      'holdfast warm images.txt --mirror http://127.0.0.1:5000   # fetches the images of a list through the mirror',
    ])
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
      throw new HoldfastError('USAGE', 'cannot verify: both a list and a log are given', {
        hints: [shellCommand`holdfast mirror verify ${file} --upstream docker.io`],
      })
    }
    if (file !== undefined) return await readImageList(file, context.signal)
    if (log !== undefined) {
      const {loggedImages} = await import('../../lib/cli/warming.ts')
      return await loggedImages(
        log,
        upstreams.map(({name, path}) => ({name, path})),
        context.signal,
      )
    }
    if (!flags['from-log']) return undefined
    const {seenImages} = await import('../../lib/cli/warming.ts')
    return await seenImages(await context.collector(flags.collector))
  }
}

/** A list that names no image of the mirror, or a mirror without images, proves nothing. */
function nothingToVerify(upstreams: readonly MirroredUpstream[], listed: readonly Reference[] | undefined): HoldfastError {
  const names = upstreams.map(({name}) => name).join(', ')
  const [first] = listed ?? []
  const reason = listed === undefined ? 'the mirror has no image of it' : 'the list names no image of it'
  const hint =
    first === undefined
      ? 'holdfast warm images.txt --mirror http://127.0.0.1:5000'
      : shellCommand`holdfast mirror verify --upstream ${first.registry}`
  return new HoldfastError('MANIFEST_NOT_FOUND', `cannot verify "${names}": ${reason}`, {hints: [hint]})
}
