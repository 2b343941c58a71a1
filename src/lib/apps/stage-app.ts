/**
 * Staging an app: what it runs is cached, and the platform is pointed at the cached copy, pinned by digest; an app that has opted out goes back to its user's image.
 * Each step can be done twice, so a run that was interrupted anywhere is finished by the next one (requirements O1–O6, G1, G2).
 */
import type {CachedImage} from '../caching/cache-images.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StepListener} from '../core/step.ts'
import {formatReference, parseReference, type Reference, type RegistryHost} from '../oci/reference.ts'
import type {StagedImageRecord} from '../records/store.ts'
import {CACHE_VARIABLE, isOptIn, readOptIn} from './opt-in.ts'
import type {Platform, PlatformApp, PullCredentials, Release} from './platform.ts'

export interface StageRequest {
  /** The image to run instead of the one that the app has. */
  readonly image?: string | undefined
  /** Take what the source names now, though the app has a cached copy of what it named before. */
  readonly isRefresh?: boolean | undefined
  /** Say what would be done, and do nothing. */
  readonly isDryRun?: boolean | undefined
}

export interface StageDependencies {
  readonly platform: Platform
  /** The cache, by its name in references. */
  readonly registry: RegistryHost
  readonly cache: (source: Reference, app: string) => Promise<CachedImage>
  /** What the platform pulls from the cache with. */
  readonly pullCredentials?: PullCredentials | undefined
  /** @throws {HoldfastError} when the image cannot be pulled with what the platform is given. */
  readonly assertPullable: (image: Reference, credentials: PullCredentials | undefined) => Promise<void>
  /** What the origin of an image wants, for an app that goes back to it; undefined for nobody's. */
  readonly originCredentials: (source: Reference, app: string) => Promise<PullCredentials | undefined>
  /** The source of a cached reference that this machine remembers. */
  readonly findSource: (image: string) => Promise<string | undefined>
  readonly now: () => Date
  readonly onStep?: StepListener | undefined
}

export interface StageOutcome {
  readonly app: string
  /** `cached`: it runs a cached copy now. `unchanged`: it did before. `uncached`: it has opted out and runs its user's image. `none`: it has not opted in. */
  readonly action: 'cached' | 'unchanged' | 'uncached' | 'none'
  /** What the user named. */
  readonly source?: string
  readonly sourceDigest?: string
  /** What it runs; with a dry run, what it would run as far as that is known. */
  readonly image?: string
  /** The release before, for `rollback`. */
  readonly previous?: string
  /** Present when it is still being moved: `paused` waits for the user to continue a canary deployment. */
  readonly underWay?: 'deploying' | 'paused'
  /** With a dry run: the calls that would be made. */
  readonly calls?: readonly string[]
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND for an app that is not there, or has no image; what caching, the cache and the platform throw. */
export async function stageApp(name: string, request: StageRequest, dependencies: StageDependencies): Promise<StageOutcome> {
  const {platform, onStep} = dependencies
  const app = await platform.findApp(name)
  const hasOptedIn = request.isDryRun ? isOptIn(await platform.readVariable(app, CACHE_VARIABLE)) : await readOptIn(platform, app)
  if (!hasOptedIn) return await unstage(app, request, dependencies)
  if (!request.isDryRun) await platform.settle(app, onStep)
  const current = await platform.currentRelease(app)
  const staged = await stagedOf(app, current, dependencies)
  const isCached = staged !== undefined && current?.image === staged.cached
  if (isCached && request.image === undefined && !request.isRefresh) {
    return {app: name, action: 'unchanged', source: staged.source, sourceDigest: staged.sourceDigest, image: staged.cached}
  }
  const source = request.image ?? (isCached ? staged.source : current?.image)
  if (source === undefined) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot stage app "${name}": it has no image yet`, {
      hints: [shellCommand`holdfast stage ${name} --image alpine:3.20`],
    })
  }
  const reference = parseReference(source)
  if (request.isDryRun) return describeStaging(app, source, current, dependencies)
  onStep?.(`caching ${formatReference(reference)}`, `app "${name}" runs what it ran; what has arrived in the cache is used by the next run`)
  const image = await dependencies.cache(reference, name)
  if (isCached && image.pinnedReference === staged.cached) {
    return {app: name, action: 'unchanged', source, sourceDigest: image.sourceDigest, image: staged.cached}
  }
  await dependencies.assertPullable(parseReference(image.pinnedReference), dependencies.pullCredentials)
  const record: StagedImageRecord = {
    source,
    sourceDigest: image.sourceDigest,
    cached: image.pinnedReference,
    stagedAt: dependencies.now().toISOString(),
    ...(current === undefined ? {} : {previous: current.id}),
  }
  // Noted first: whatever happens now, what the user named is not lost.
  await platform.noteStaged(app, record)
  const {underWay} = await platform.release(app, {image: image.pinnedReference, credentials: dependencies.pullCredentials, onStep})
  return {
    app: name,
    action: 'cached',
    source,
    sourceDigest: image.sourceDigest,
    image: image.pinnedReference,
    ...(current === undefined ? {} : {previous: current.id}),
    ...(underWay === undefined ? {} : {underWay}),
  }
}

/** Gives an app that has opted out its user's image back, and forgets the cached one. */
async function unstage(app: PlatformApp, {image, isDryRun}: StageRequest, dependencies: StageDependencies): Promise<StageOutcome> {
  const {platform, onStep} = dependencies
  if (!isDryRun) await platform.settle(app, onStep)
  const current = await platform.currentRelease(app)
  const staged = await stagedOf(app, current, dependencies)
  const source = image ?? (staged !== undefined && current?.image === staged.cached ? staged.source : undefined)
  const release = source === undefined || source === current?.image ? undefined : source
  const result = release ?? current?.image
  const outcome: StageOutcome = {
    app: app.name,
    action: release === undefined && app.staged === undefined ? 'none' : 'uncached',
    ...(staged === undefined ? {} : {source: staged.source}),
    ...(result === undefined ? {} : {image: result}),
    ...(release === undefined || current === undefined ? {} : {previous: current.id}),
  }
  if (isDryRun) {
    const calls = [
      ...(release === undefined ? [] : platform.describeRelease(app, release)),
      ...(app.staged === undefined ? [] : [platform.describeNote(app)]),
    ]
    return {...outcome, calls}
  }
  if (release !== undefined) {
    const credentials = await dependencies.originCredentials(parseReference(release), app.name)
    const {underWay} = await platform.release(app, {image: release, credentials, onStep})
    // Not every instance runs its user's image yet: what is noted is forgotten by the run after that.
    if (underWay !== undefined) return {...outcome, underWay}
  }
  if (app.staged !== undefined) await platform.noteStaged(app, undefined)
  return outcome
}

/** What is noted at the platform; else what this machine remembers of the cached copy that the app runs. */
async function stagedOf(
  app: PlatformApp,
  current: Release | undefined,
  {registry, findSource}: StageDependencies,
): Promise<Pick<StagedImageRecord, 'source' | 'sourceDigest' | 'cached'> | undefined> {
  if (app.staged !== undefined && (current === undefined || current.image === app.staged.cached)) return app.staged
  if (current === undefined || !current.image.startsWith(`${registry}/`) || !current.image.includes('@')) return app.staged
  const source = await findSource(current.image)
  if (source === undefined) return app.staged
  return {source, sourceDigest: current.image.slice(current.image.indexOf('@') + 1), cached: current.image}
}

function describeStaging(
  app: PlatformApp,
  source: string,
  current: Release | undefined,
  {platform, registry}: StageDependencies,
): StageOutcome {
  const cached = `${registry}/<guid>@sha256:<digest of ${source}>`
  return {
    app: app.name,
    action: 'cached',
    source,
    image: cached,
    ...(current === undefined ? {} : {previous: current.id}),
    calls: [
      `copy ${formatReference(parseReference(source))} to ${registry}/<guid>, unless it is there`,
      `look whether ${cached} can be pulled as the platform will`,
      platform.describeNote(app),
      ...platform.describeRelease(app, cached),
    ],
  }
}
