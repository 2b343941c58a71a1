import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {InspectedImage} from '../lib/caching/inspect-image.ts'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {warnOfHalfDeleted} from '../lib/cli/half-deleted.ts'
import {openSourceLocation} from '../lib/cli/image-location.ts'
import {formatInspection} from '../lib/cli/inspection.ts'
import {readSourceCredential, SOURCE_CREDENTIAL_FLAGS} from '../lib/cli/source-credential.ts'
import {ACCESS_FLAGS, SOURCE_FLAGS, sourceTransport} from '../lib/cli/transfer-flags.ts'
import {text} from '../lib/core/terminal-text.ts'
import {parsePlatform} from '../lib/oci/platform.ts'
import {formatReference} from '../lib/oci/reference.ts'

/** `--raw`: the manifest as it is, with its bytes as text. */
export interface RawInspection {
  readonly reference: string
  readonly digest: string
  readonly mediaType: string
  readonly raw: string
}

export default class Inspect extends BaseCommand<InspectedImage | RawInspection> {
  static override readonly summary = 'Show what an image is: digest, platforms, layers, sizes, labels. Pulls no layer.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> alpine:3.20',
    '<%= config.bin %> <%= command.id %> alpine:3.20 --platform linux/arm64 --json',
    '<%= config.bin %> <%= command.id %> oci:./web:v2 --raw',
  ]
  static override readonly args = {
    image: Args.string({required: true, description: 'An image in a registry, or oci:DIR[:TAG].'}),
  }
  static override readonly flags = {
    raw: Flags.boolean({
      env: 'HOLDFAST_RAW',
      exclusive: ['platform'],
      summary: 'Print the manifest byte for byte; on a terminal, control characters are shown as escapes.',
    }),
    platform: Flags.string({env: 'HOLDFAST_PLATFORM', helpValue: 'OS/ARCH[/VARIANT]', summary: 'Show this platform only.'}),
    ...SOURCE_FLAGS,
    ...SOURCE_CREDENTIAL_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<InspectedImage | RawInspection> {
    const {args, flags} = await this.parse(Inspect)
    const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform)
    const credential = await readSourceCredential(flags)
    const context = this.openContext(flags)
    const {signal} = context
    const [{inspectImage, readRawManifest}, {store, reference, isLayout}] = await Promise.all([
      import('../lib/caching/inspect-image.ts'),
      openSourceLocation(args.image, context, {transport: sourceTransport(flags), credential}),
    ])
    const warn = async (digest: string): Promise<void> => {
      if (!isLayout) await warnOfHalfDeleted([{reference, digest}], context, this.output)
    }
    if (flags.raw) {
      const {digest, mediaType, bytes} = await readRawManifest(reference, store, {signal})
      await warn(digest)
      this.output.printDocument(bytes)
      return {reference: formatReference(reference), digest, mediaType, raw: new TextDecoder().decode(bytes)}
    }
    const image = await inspectImage(reference, store, {signal, ...(platform === undefined ? {} : {platform})})
    await warn(image.digest)
    for (const line of formatInspection(image)) this.output.print(line)
    const {missing = []} = image
    if (missing.length > 0)
      this.output.warn(
        text`${image.reference}: its index names ${missing.map(({digest}) => digest).join(', ')}, and ${reference.registry} does not have that`,
      )
    return image
  }
}
