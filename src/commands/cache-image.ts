import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type {CacheAndStageOutcome} from '../lib/caching/cache-and-stage.ts'
import type {CachedImage} from '../lib/caching/cache-images.ts'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {type CachedImages, describeCached, describeCheck, describeRest, digestChange} from '../lib/cli/cached-report.ts'
import {errorBody} from '../lib/cli/error-report.ts'
import {warnOfHalfDeleted} from '../lib/cli/half-deleted.ts'
import {mirrorPlaces} from '../lib/cli/mirror-places.ts'
import {type Leftover, PartialFailure} from '../lib/cli/partial-failure.ts'
import {createProgress} from '../lib/cli/progress.ts'
import {sharedRecords} from '../lib/cli/shared-records.ts'
import {readSourceCredential, SOURCE_CREDENTIAL_FLAGS} from '../lib/cli/source-credential.ts'
import {ACCESS_FLAGS, COPY_FLAGS, PREFIX_FLAG, RECHECK_FLAGS, recheckMs, SOURCE_FLAGS, sourceTransport} from '../lib/cli/transfer-flags.ts'
import {formatCount} from '../lib/cli/units.ts'
import {HoldfastError, hasCode, interrupted} from '../lib/core/errors.ts'
import {shellCommand} from '../lib/core/shell.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'
import {parsePlatform} from '../lib/oci/platform.ts'
import {formatReference, parseReference, parseRepositoryName} from '../lib/oci/reference.ts'
import {STAGING_RESULT_FORMATS, type StagingResultFormat} from '../lib/staging/staging-result.ts'

export default class CacheImage extends BaseCommand<CachedImages> {
  static override readonly summary = 'Copy images into a registry you own and print their pinned references.'
  static override readonly description =
    `Copies each IMAGE with all its platforms, signatures and SBOMs under a name that nobody can guess, and prints
<host>:<port>/<guid>@sha256:… on stdout: the digest is the source's, so what you deploy never changes.
The same image for the same app is answered with the reference it has, while the source has not changed.
Each reference is printed when its image is done. A run that is stopped is continued by the next one, under the same name.
After its reference is printed, a copy that was last looked at more than --recheck-every ago is checked without pulling layers;
what it has lost is put back under the same name, by the recorded digest: from its source, else from other copies recorded here,
else from the mirror that HOLDFAST_MIRROR names. --verify reads every byte of the copy instead.
Without --to and without a default registry, images go to the embedded registry; \`holdfast serve\` serves them.
Where an account may push below some repositories only, as with a collector, --prefix or the prefix of the registry
(\`holdfast registry update NAME --prefix apps/shop\`) names where the copies go: <host>:<port>/apps/shop/<guid>@sha256:…`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> alpine:3.20',
    '<%= config.bin %> <%= command.id %> alpine:3.20 redis:7 --to registry.example.com --app shop',
    '<%= config.bin %> <%= command.id %> alpine:3.20 --platform linux/amd64 --json',
    '<%= config.bin %> <%= command.id %> alpine:3.20 --to registry.example.com --prefix users/ann',
    '<%= config.bin %> <%= command.id %> localhost:5000/shop/web:v2 --repository shop/web --result result.json',
  ]
  static override readonly strict = false
  static override readonly args = {
    image: Args.string({required: true, description: 'What you would type after `docker pull`; more than one may follow.'}),
  }
  static override readonly flags = {
    to: Flags.string({env: 'HOLDFAST_TO', helpValue: 'REGISTRY', summary: 'The target: the name of a declared registry, or HOST[:PORT].'}),
    app: Flags.string({env: 'HOLDFAST_APP', helpValue: 'NAME', summary: 'Record which app the image is for.'}),
    repository: Flags.string({
      env: 'HOLDFAST_REPOSITORY',
      helpValue: 'NAME',
      summary: 'Use this name instead of a fresh GUID, whatever the prefix of the registry.',
    }),
    ...PREFIX_FLAG,
    new: Flags.boolean({env: 'HOLDFAST_NEW', summary: 'Take a fresh GUID even when the image was cached before.'}),
    result: Flags.string({env: 'HOLDFAST_RESULT', helpValue: 'FILE', summary: 'Write the staging result of Cloud Foundry to this file.'}),
    'result-format': Flags.option({
      env: 'HOLDFAST_RESULT_FORMAT',
      options: STAGING_RESULT_FORMATS,
      default: 'current' as StagingResultFormat,
      summary: 'The shape of --result: the one of today, or the first of 2015.',
    })(),
    ...COPY_FLAGS,
    ...RECHECK_FLAGS,
    ...SOURCE_FLAGS,
    ...SOURCE_CREDENTIAL_FLAGS,
    ...ACCESS_FLAGS,
  }

  async run(): Promise<CachedImages> {
    const {argv, flags} = await this.parse(CacheImage)
    const sources = argv.map((image) => parseReference(String(image)))
    const platforms = flags.platform?.map(parsePlatform)
    const repository = flags.repository === undefined ? undefined : parseRepositoryName(flags.repository)
    const prefix = flags.prefix ? parseRepositoryName(flags.prefix) : undefined
    const recheckEvery = recheckMs(flags)
    const {result: file, 'result-format': format} = flags
    const credential = await readSourceCredential(
      flags,
      sources.map(({registry}) => registry),
    )
    const context = this.openContext(flags)
    const [{cacheAndStage}, target, records] = await Promise.all([
      import('../lib/caching/cache-and-stage.ts'),
      context.openTarget(flags.to),
      sharedRecords(context, (message) => this.output.warn(escapeText(message))),
    ])
    const progress = createProgress(this.output)
    const done: CachedImage[] = []
    let outcome: CacheAndStageOutcome | undefined
    this.leaves(() => describeLeft(outcome ?? unfinished(sources.map(formatReference), done)))
    outcome = await cacheAndStage(
      {
        sources,
        registry: target.registry,
        prefix: flags.prefix === undefined ? target.prefix : prefix,
        platforms,
        repository,
        app: flags.app,
        isNew: flags.new,
        referrers: flags.referrers,
        foreignLayers: flags['foreign-layers'],
        verify: flags.verify,
        recheckMs: recheckEvery,
        blobConcurrency: flags.concurrency,
        ...(file === undefined ? {} : {result: {file, format}}),
      },
      {
        target: target.store,
        openSource: (reference) => context.openSource(reference, {transport: sourceTransport(flags), credential}),
        records,
        now: () => new Date(),
        findInMirror: mirrorPlaces(context),
        listener: progress.listener,
        onCached: (image) => {
          done.push(image)
          progress.makeRoom()
          this.output.print(escapeText(image.pinnedReference))
          this.output.note(describeCached(image))
          if (image.digestChanged) this.output.warn(digestChange(image))
          for (const warning of describeRest(image)) this.output.warn(warning)
        },
        openForChecks: target.openForChecks,
        onCheck: (event) => {
          progress.makeRoom()
          this.output.warn(describeCheck(event))
        },
        signal: context.signal,
      },
    ).finally(progress.stop)
    const met = outcome.images.map(({source, sourceDigest}) => ({reference: parseReference(source), digest: sourceDigest}))
    await warnOfHalfDeleted(met, context, this.output)
    if (context.signal.aborted) throw context.signal.reason
    const result = assertAllCached(outcome)
    if (target.isEmbedded) this.output.note(text`It is in the embedded registry; to pull from there: holdfast serve`)
    return result
  }
}

/** @throws the failure of a single image as it is; {PartialFailure} when some of several failed. */
function assertAllCached({images, failures}: CacheAndStageOutcome): CachedImages {
  const [first] = failures
  if (first === undefined) return {images, failures: []}
  if (images.length === 0 && failures.length === 1) throw withPrefixHint(first.error, first.source)
  const names = failures.map(({source}) => source)
  const result = resultOf({images, failures})
  const reasons = result.failures.map(({error}) => error.message)
  throw new PartialFailure(
    `cannot cache ${failures.length} of ${formatCount(images.length + failures.length, 'image')}: ${reasons.join('; ')}`,
    result,
    [shellCommand`holdfast cache-image ${names}`],
  )
}

/** Adds the command that caches the image where the collector that refused it lets the account push. */
function withPrefixHint(error: unknown, source: string): unknown {
  if (!hasCode(error, 'DENIED') || typeof error.details.below !== 'string') return error
  return new HoldfastError(error.code, error.message, {
    hints: [...error.hints, shellCommand`holdfast cache-image ${source} --prefix ${error.details.below}`],
    details: error.details,
    cause: error,
  })
}

/** What was cached stays; the same command again goes on with what was not. */
function describeLeft(outcome: CacheAndStageOutcome): Leftover {
  const result = resultOf(outcome)
  const count = result.images.length + result.failures.length
  return {
    left: `${result.images.length} of ${formatCount(count, 'image')} cached; what has arrived of the others is used by the next run`,
    hints: result.failures.length === 0 ? [] : [shellCommand`holdfast cache-image ${result.failures.map(({source}) => source)}`],
    result,
  }
}

/** What a run that has not ended yet has done. */
function unfinished(sources: readonly string[], images: readonly CachedImage[]): CacheAndStageOutcome {
  const cached = images.map(({source}) => source)
  const others = [...new Set(sources)].filter((source) => !cached.includes(source))
  return {images, failures: others.map((source) => ({source, error: interrupted()}))}
}

function resultOf({images, failures}: CacheAndStageOutcome): CachedImages {
  return {images, failures: failures.map(({source, error}) => ({source, error: errorBody(error)}))}
}
