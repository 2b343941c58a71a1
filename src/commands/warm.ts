import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {PartialFailure} from '../lib/cli/partial-failure.ts'
import {ACCESS_FLAGS} from '../lib/cli/transfer-flags.ts'
import {formatBytes, formatCount} from '../lib/cli/units.ts'
import {openWarming} from '../lib/cli/warming.ts'
import type {WarmedImage} from '../lib/warming/warm.ts'

interface Warmed {
  readonly images: readonly WarmedImage[]
}

export default class Warm extends BaseCommand<Warmed> {
  static override readonly summary = 'Fill a mirror or a cache with what a list names, before anybody asks for it.'
  static override readonly description =
    `Each line of FILE is an image (alpine:3.20), or a repository with a pattern (ghcr.io/acme/web v1.*) or a range of versions (redis >=7 <8); # begins a remark, and - is standard input.
With --mirror they are pulled through that mirror, every platform; else they are cached as \`cache-image\` does it, and what has not changed is left alone. Done again it asks for little.
One failure does not stop the others; the exit code is 9 then. For a schedule: cron or a systemd timer.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> images.txt --mirror http://127.0.0.1:5000',
    '<%= config.bin %> <%= command.id %> images.txt --to registry.example.com --newest 3',
    'echo "redis >=7 <8" | <%= config.bin %> <%= command.id %> - --dry-run',
  ]
  static override readonly args = {file: Args.string({required: true, description: 'the list; - for standard input'})}
  static override readonly flags = {
    mirror: Flags.string({env: 'HOLDFAST_MIRROR', exclusive: ['to'], helpValue: 'URL', summary: 'Pull through this mirror.'}),
    to: Flags.string({env: 'HOLDFAST_TO', helpValue: 'REGISTRY', summary: 'Cache in this registry; the default registry when absent.'}),
    newest: Flags.integer({
      env: 'HOLDFAST_NEWEST',
      min: 1,
      max: 1000,
      default: 5,
      helpValue: 'N',
      summary: 'So many tags of a pattern or range at most. Default: 5.',
    }),
    'dry-run': Flags.boolean({env: 'HOLDFAST_DRY_RUN', summary: 'Say which images are meant, and fetch none.'}),
    ...ACCESS_FLAGS,
  }

  async run(): Promise<Warmed> {
    const {args, flags} = await this.parse(Warm)
    const context = this.openContext(flags)
    const [{warm}, {wishes, openSource, fetch}] = await Promise.all([
      import('../lib/warming/warm.ts'),
      openWarming(context, args.file, flags),
    ])
    const images = await warm(wishes, {
      openSource,
      fetch,
      newest: flags.newest,
      isDryRun: flags['dry-run'] === true,
      signal: context.signal,
      onImage: ({image, outcome, sizeBytes, reason}) => {
        if (outcome === 'failed') this.output.note(`${image}: ${reason}`)
        else this.output.print(flags['dry-run'] ? image : `${image} ${formatBytes(sizeBytes)}`)
      },
    })
    const failed = images.filter(({outcome}) => outcome === 'failed')
    if (failed.length === 0) return {images}
    throw new PartialFailure(
      `cannot fetch ${failed.length} of ${formatCount(images.length, 'image')}: ${failed.map(({image}) => image).join(', ')}`,
      {images},
    )
  }
}
