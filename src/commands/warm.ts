import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import type {GlobalFlags} from '../lib/cli/global-flags.ts'
import {PartialFailure} from '../lib/cli/partial-failure.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {formatBytes, formatCount} from '../lib/cli/units.ts'
import {DEFAULT_NEWEST, loggedImages, openWarming, readWishes, seenImages} from '../lib/cli/warming.ts'
import {HoldfastError} from '../lib/core/errors.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'
import type {WarmedImage} from '../lib/warming/warm.ts'
import type {Wish} from '../lib/warming/wishes.ts'

interface Warmed {
  readonly images: readonly WarmedImage[]
}

export default class Warm extends BaseCommand<Warmed> {
  static override readonly summary = 'Fill a mirror or a cache with what a list names, before anybody asks for it.'
  static override readonly description =
    `Each line of FILE is an image (alpine:3.20), or a repository with a pattern (ghcr.io/acme/web v1.*) or a range of versions (redis >=7 <8); # begins a remark, and - is standard input.
With --mirror they are pulled through that mirror, every platform; else they are cached as \`cache-image\` does it, and what has not changed is left alone, but for a daily check that it is whole. Done again it asks for little.
--from-log takes what the collector has seen pulled by tag in the last 30 days, --access-log what an access log of nginx or a registry has. One failure does not stop the others; the exit code is 9 then.
For a schedule: "mirror serve --warm FILE", "serve --warm FILE".`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> images.txt --mirror http://127.0.0.1:5000',
    '<%= config.bin %> <%= command.id %> images.txt --to registry.example.com --newest 3',
    'echo "redis >=7 <8" | <%= config.bin %> <%= command.id %> - --dry-run',
    '<%= config.bin %> <%= command.id %> --from-log --mirror http://127.0.0.1:5000',
    '<%= config.bin %> <%= command.id %> --access-log /var/log/nginx/access.log --mirror http://127.0.0.1:5000',
  ]
  static override readonly args = {file: Args.string({description: 'the list; - for standard input'})}
  static override readonly flags = {
    mirror: Flags.string({env: 'HOLDFAST_MIRROR', exclusive: ['to'], helpValue: 'URL', summary: 'Pull through this mirror.'}),
    to: Flags.string({env: 'HOLDFAST_TO', helpValue: 'REGISTRY', summary: 'Cache in this registry; the default registry when absent.'}),
    'from-log': Flags.boolean({
      env: 'HOLDFAST_FROM_LOG',
      exclusive: ['access-log'],
      summary: "What was pulled from managed registries, by the collector's event log.",
    }),
    'access-log': Flags.string({
      env: 'HOLDFAST_ACCESS_LOG',
      helpValue: 'FILE',
      summary: 'What was pulled, by an access log in the common format.',
    }),
    collector: Flags.string({
      env: 'HOLDFAST_COLLECTOR',
      helpValue: 'URL',
      summary: 'The collector of --from-log; "local" is that of this machine. Default: the one of "collector use".',
    }),
    newest: Flags.integer({
      env: 'HOLDFAST_NEWEST',
      min: 1,
      max: 1000,
      default: DEFAULT_NEWEST,
      helpValue: 'N',
      summary: 'So many tags of a pattern or range at most. Default: 5.',
    }),
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Say which images are meant, and fetch none.'}),
    ...ACCESS_FLAGS,
  }

  async run(): Promise<Warmed> {
    const {args, flags} = await this.parse(Warm)
    const context = this.openContext(flags)
    const wishes = await this.#wishes(args.file, flags)
    const [{warm}, {openSource, fetch}] = await Promise.all([import('../lib/warming/warm.ts'), openWarming(context, flags, this.output)])
    const done: WarmedImage[] = []
    this.leaves(() => ({
      left: flags['dry-run']
        ? 'nothing was fetched'
        : `${formatCount(done.filter(({outcome}) => outcome === 'there').length, 'image')} fetched; what has arrived of others is used by the next run`,
      result: {images: done},
    }))
    const images = await warm(wishes, {
      openSource,
      fetch,
      newest: flags.newest,
      isDryRun: flags['dry-run'] === true,
      signal: context.signal,
      onImage: (warmed) => {
        done.push(warmed)
        const {image, outcome, sizeBytes, reason} = warmed
        if (outcome === 'failed') this.output.note(text`${image}: ${reason ?? ''}`)
        else this.output.print(flags['dry-run'] ? escapeText(image) : text`${image} ${formatBytes(sizeBytes)}`)
      },
    })
    const failed = images.filter(({outcome}) => outcome === 'failed')
    if (failed.length === 0) return {images}
    throw new PartialFailure(
      `cannot fetch ${failed.length} of ${formatCount(images.length, 'image')}: ${failed.map(({image}) => image).join(', ')}`,
      {images},
    )
  }

  /** @throws {HoldfastError} USAGE for none or several sources. */
  async #wishes(
    file: string | undefined,
    flags: GlobalFlags & {
      readonly 'from-log'?: boolean | undefined
      readonly 'access-log'?: string | undefined
      readonly collector?: string | undefined
    },
  ): Promise<readonly Wish[]> {
    const log = flags['access-log']
    const {signal} = this.openContext(flags)
    if ([file !== undefined, flags['from-log'] === true, log !== undefined].filter((isGiven) => isGiven).length !== 1) {
      throw new HoldfastError('USAGE', 'cannot warm: name one list, or one log', {
        hints: ['holdfast warm images.txt', 'holdfast warm --from-log', 'holdfast warm --access-log FILE'],
      })
    }
    if (file !== undefined) return await readWishes(file, signal)
    const {wishesOf} = await import('../lib/warming/seen.ts')
    if (log !== undefined) return wishesOf(await loggedImages(log, [], signal))
    return wishesOf(await seenImages(await this.openContext(flags).collector(flags.collector)))
  }
}
