import * as Args from '@oclif/core/args'
import type {CopiedImage} from '../lib/caching/copy-image.ts'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {describeBlobs, describeRest, digestChange} from '../lib/cli/cached-report.ts'
import {warnOfHalfDeleted} from '../lib/cli/half-deleted.ts'
import {openSourceLocation, openTargetLocation} from '../lib/cli/image-location.ts'
import {createProgress} from '../lib/cli/progress.ts'
import {readSourceCredential, SOURCE_CREDENTIAL_FLAGS} from '../lib/cli/source-credential.ts'
import {
  ACCESS_FLAGS,
  COPY_FLAGS,
  RECHECK_FLAGS,
  SOURCE_FLAGS,
  sourceTransport,
  TARGET_FLAGS,
  targetTransport,
} from '../lib/cli/transfer-flags.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'
import {parsePlatform} from '../lib/oci/platform.ts'
import type {TransferEvent} from '../lib/transfer/events.ts'

/** What was copied; an image in a layout has no pinned reference. */
type CopyResult = Omit<CopiedImage, 'pinnedReference'> & {readonly pinnedReference?: string}

export default class Copy extends BaseCommand<CopyResult> {
  static override readonly hiddenAliases = ['cp']
  static override readonly summary = 'Copy an image to a name you choose.'
  static override readonly description = `SRC and DST are images in registries, or oci:DIR[:TAG] for a directory in the OCI image layout.
All platforms, signatures and SBOMs are copied, and the digest stays the same; --platform copies less, and says that the digest changed. \`cp\` is the same command.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> alpine:3.20 registry.example.com/base/alpine:3.20',
    '<%= config.bin %> <%= command.id %> registry.example.com/shop/web:v2 oci:./web:v2',
    '<%= config.bin %> cp oci:./web:v2 localhost:5000/shop/web:v2 --json',
  ]
  static override readonly args = {
    source: Args.string({required: true, description: 'What is copied.'}),
    target: Args.string({required: true, description: 'Where it goes.'}),
  }
  static override readonly flags = {
    ...COPY_FLAGS,
    recheck: RECHECK_FLAGS.recheck,
    ...SOURCE_FLAGS,
    ...SOURCE_CREDENTIAL_FLAGS,
    ...TARGET_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<CopyResult> {
    const {args, flags} = await this.parse(Copy)
    const platforms = (flags.platform ?? []).map(parsePlatform)
    const credential = await readSourceCredential(flags)
    const context = this.openContext(flags)
    const [{copyImage}, source, target, records] = await Promise.all([
      import('../lib/caching/copy-image.ts'),
      openSourceLocation(args.source, context, {transport: sourceTransport(flags), credential}),
      openTargetLocation(args.target, context, targetTransport(flags)),
      context.records(),
    ])
    const progress = createProgress(this.output)
    let left = `"${target.name}" names what it named; blobs that arrived are used by the next run`
    this.leaves(() => ({left}))
    const listener = (event: TransferEvent): void => {
      if (event.type === 'name-started') left = `"${target.name}" may be written or not; the same command again makes sure`
      else if (event.type === 'image-finished') left = `"${target.name}" is written`
      progress.listener?.(event)
    }
    const {pinnedReference, ...copied} = await copyImage(
      {source, target, platforms, recheck: flags.recheck},
      {
        records: target.isLayout ? undefined : records,
        listener,
        signal: context.signal,
        referrers: flags.referrers,
        foreignLayers: flags['foreign-layers'],
        verify: flags.verify,
        blobConcurrency: flags.concurrency,
      },
    ).finally(progress.stop)
    const result = {
      ...copied,
      source: source.name,
      target: target.name,
      ...(target.isLayout ? {} : {pinnedReference}),
    }
    if (!source.isLayout) await warnOfHalfDeleted([{reference: source.reference, digest: copied.sourceDigest}], context, this.output)
    this.output.print(escapeText(target.isLayout ? result.digest : pinnedReference))
    this.output.note(text`${result.target}: ${describeBlobs(result)}`)
    if (result.healed !== undefined)
      this.output.warn(text`${result.target} lacked ${result.healed.join(', ')}, or had other bytes there; it was healed and is whole`)
    if (result.digestChanged) this.output.warn(digestChange(result))
    for (const warning of describeRest(result)) this.output.warn(warning)
    return result
  }
}
