/**
 * Staging an app: what it runs is cached, and the platform is pointed at the cached copy, pinned by digest; an app that has opted out goes back to its user's image.
 * Each step can be done twice, so a run that was interrupted anywhere is finished by the next one (requirements O1–O6, G1, G2).
 */
import type {CachedImage} from '../caching/cache-images.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {StepListener} from '../core/step.ts'
import {parseDigest} from '../oci/digest.ts'
import {formatReference, parseReference, type Reference, type RegistryHost, type RepositoryName} from '../oci/reference.ts'
import type {StagedImageRecord} from '../records/store.ts'
import {completeNote, moveApp, releaseOf, startAgain} from './move-app.ts'
import {CACHE_VARIABLE, isOptIn, readOptIn} from './opt-in.ts'
import type {Platform, PlatformApp, PullCredentials, UnderWay} from './platform.ts'
import {assertIsSource, isToBeStarted, type Running, readRunning, releaseBefore, unknownSource} from './running.ts'

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
  /** Where GUIDs stand in it; undefined: at its root. */
  readonly prefix?: RepositoryName | undefined
  /** Caches an image for an app. `own` are the cached references that the app is known to have been given. */
  readonly cache: (source: Reference, app: PlatformApp, own: readonly string[]) => Promise<CachedImage>
  /** Whether a registry has an image. @throws {HoldfastError} when it cannot be read; INTEGRITY when it has other bytes. */
  readonly isThere: (image: Reference) => Promise<boolean>
  /** What the platform pulls from the cache with. */
  readonly pullCredentials?: PullCredentials | undefined
  /** @throws {HoldfastError} when the image cannot be pulled with what the platform is given. */
  readonly assertPullable: (image: Reference, credentials: PullCredentials | undefined) => Promise<void>
  /** What the origin of an image wants, for an app that goes back to it; undefined for nobody's. */
  readonly originCredentials: (source: Reference, app: string) => Promise<PullCredentials | undefined>
  /** What this machine remembers of a cached reference. */
  readonly findCopy: (image: string) => Promise<StagedImageRecord | undefined>
  readonly now: () => Date
  readonly onWarning?: ((message: string) => void) | undefined
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
  /** It was gone from the cache, or damaged there, and was put back under the same name. */
  readonly isRestored?: true
  /** The release before, for `rollback`. */
  readonly previous?: string
  /** Present when it is still being moved: `paused` waits for the user to continue a canary deployment. */
  readonly underWay?: UnderWay
  /** With a dry run: the calls that would be made. */
  readonly calls?: readonly string[]
}

/**
 * @throws {HoldfastError} OBJECT_NOT_FOUND for an app that is not there, or has no image; SOURCE_UNKNOWN for one that runs a copy of something that is not known; USAGE for
 * a cached copy that is named as an image to cache; what caching, the cache and the platform throw.
 */
export async function stageApp(name: string, request: StageRequest, dependencies: StageDependencies): Promise<StageOutcome> {
  const {platform, onStep} = dependencies
  const found = await platform.findApp(name)
  const hasOptedIn = request.isDryRun ? isOptIn(await platform.readVariable(found, CACHE_VARIABLE)) : await readOptIn(platform, found)
  const app = request.isDryRun ? found : await platform.settle(found, onStep)
  const running = await readRunning(app, dependencies)
  if (request.image !== undefined) await assertIsSource(app, request.image, dependencies, running)
  return await (hasOptedIn ? stage : unstage)(app, running, request, dependencies)
}

async function stage(app: PlatformApp, running: Running, request: StageRequest, dependencies: StageDependencies): Promise<StageOutcome> {
  const {platform, onStep, pullCredentials} = dependencies
  const isKept = running.kind === 'copy' && request.image === undefined && !request.isRefresh
  if (isKept) {
    if (await isCopyThere(app, running, dependencies)) return await leaveAsItIs(app, running, request, dependencies)
    if (request.isDryRun) return describeRestoring(app, running)
  }
  const source = request.image ?? sourceOf(app, running)
  // A copy that is lost is neither a release to go back to, nor what the tag names now.
  const previous = isKept ? releaseBefore(running.release, app.note) : releaseOf(running)
  if (request.isDryRun) return describeStaging(app, source, previous, dependencies)
  const reference = isKept ? recordedSource(running.staged) : parseReference(source)
  onStep?.(
    `caching ${formatReference(reference)}`,
    `app "${app.name}" runs what it ran; what has arrived in the cache is used by the next run`,
  )
  const copies = [running.kind === 'copy' ? running.staged : undefined, app.note?.staged]
  const own = copies.flatMap((copy) => copy?.cached ?? [])
  const caching = dependencies.cache(reference, app, own)
  const image = await (isKept ? caching.catch((error: unknown) => Promise.reject(notRestored(app, running.staged, error))) : caching)
  const cached = image.pinnedReference
  if (running.kind === 'copy' && cached === running.staged.cached) {
    const unchanged = await leaveAsItIs(app, running, request, dependencies)
    return isKept || image.healed !== undefined ? {...unchanged, isRestored: true} : unchanged
  }
  await dependencies.assertPullable(parseReference(cached), pullCredentials)
  const {sourceDigest} = image
  const to = await platform.prepare(app, {
    image: cached,
    staged: {source, sourceDigest, cached, stagedAt: dependencies.now().toISOString()},
    credentials: pullCredentials,
    onStep,
  })
  const underWay = await moveApp({app, running, to, previous}, platform, onStep)
  return {
    app: app.name,
    action: 'cached',
    source,
    sourceDigest,
    image: cached,
    ...(previous === undefined ? {} : {previous}),
    ...(underWay === undefined ? {} : {underWay}),
  }
}

type RunningCopy = Extract<Running, {kind: 'copy'}>

/** It has its copy; what a run that was stopped has not noted is noted now, and an app that it left stopped is started. */
async function leaveAsItIs(
  app: PlatformApp,
  running: RunningCopy,
  {isDryRun}: StageRequest,
  {platform, onStep}: StageDependencies,
): Promise<StageOutcome> {
  const unchanged = describeUnchanged(app, running)
  if (isDryRun)
    return isToBeStarted(app)
      ? {...unchanged, action: 'cached', calls: [...platform.describeStart(app), platform.describeNote(app)]}
      : unchanged
  const started = await startAgain(app, running, platform, onStep)
  if (started !== undefined) return {...unchanged, action: 'cached', ...started}
  await completeNote(app, running, platform)
  return unchanged
}

function describeUnchanged(app: PlatformApp, {staged: {source, sourceDigest}, image}: RunningCopy): StageOutcome {
  return {app: app.name, action: 'unchanged', source, sourceDigest, image}
}

/** Whether the cache has what the app runs. A cache that cannot be read is warned of: the app runs. */
async function isCopyThere(app: PlatformApp, {staged}: RunningCopy, {isThere, onWarning}: StageDependencies): Promise<boolean> {
  try {
    return await isThere(parseReference(staged.cached))
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    // A manifest with other bytes is as good as lost.
    if (error.code === 'INTEGRITY') return false
    onWarning?.(`cannot look whether the copy of app "${app.name}" is still in the cache: ${error.message}`)
    return true
  }
}

/** What was cached, whatever the tag names now. */
function recordedSource({source, sourceDigest}: StagedImageRecord): Reference {
  const {registry, repository} = parseReference(source)
  return {registry, repository, digest: parseDigest(sourceDigest)}
}

function describeRestoring(app: PlatformApp, running: RunningCopy): StageOutcome {
  const {cached} = running.staged
  const calls = [`copy ${formatReference(recordedSource(running.staged))} to ${cached}, which is gone from the cache`]
  return {...describeUnchanged(app, running), calls}
}

function notRestored({name}: PlatformApp, {source, cached}: StagedImageRecord, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') return error
  return new HoldfastError(
    error.code,
    `cannot put the copy of app "${name}" back: "${cached}" is gone from the cache, and ${error.message}`,
    {
      hints: [`${shellCommand`holdfast stage ${name} --image ${source}`}   # takes what it names now`, ...error.hints],
      details: error.details,
      cause: error,
    },
  )
}

/** The image that the user named last. */
function sourceOf(app: PlatformApp, running: Running): string {
  if (running.kind === 'own') return running.image
  if (running.kind === 'copy') return running.staged.source
  if (running.kind === 'orphan') throw unknownSource('stage', app, running.image)
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot stage app "${app.name}": it has no image yet`, {
    hints: [shellCommand`holdfast stage ${app.name} --image alpine:3.20`],
  })
}

/** Gives an app that has opted out its user's image back, and forgets the cached one once that runs. */
async function unstage(
  app: PlatformApp,
  running: Running,
  {image, isDryRun}: StageRequest,
  dependencies: StageDependencies,
): Promise<StageOutcome> {
  const {platform, onStep} = dependencies
  if (running.kind === 'orphan' && image === undefined) throw unknownSource('give its own image back to', app, running.image)
  const current = running.kind === 'nothing' ? undefined : running.image
  const own = image ?? (running.kind === 'copy' ? running.staged.source : current)
  const previous = releaseOf(running)
  const release = own === current ? undefined : own
  const outcome: StageOutcome = {
    app: app.name,
    action: release === undefined && app.note === undefined ? 'none' : 'uncached',
    ...(running.kind === 'copy' ? {source: running.staged.source} : {}),
    ...(own === undefined ? {} : {image: own}),
    ...(release === undefined || previous === undefined ? {} : {previous}),
  }
  if (isDryRun) {
    const calls = [
      ...(release !== undefined ? platform.describeRelease(app, release) : isToBeStarted(app) ? platform.describeStart(app) : []),
      ...(app.note === undefined ? [] : [platform.describeNote(app)]),
    ]
    return {...outcome, calls}
  }
  if (release !== undefined) {
    const credentials = await dependencies.originCredentials(parseReference(release), app.name)
    const to = await platform.prepare(app, {image: release, credentials, onStep})
    const underWay = await moveApp({app, running, to, previous}, platform, onStep)
    // Not every instance runs its user's image yet: what is noted is forgotten by the run after that.
    if (underWay !== undefined) return {...outcome, underWay}
  }
  const started = release === undefined ? await startAgain(app, running, platform, onStep) : undefined
  if (started?.underWay !== undefined) return {...outcome, ...started}
  if (release !== undefined || app.note !== undefined) await platform.writeNote(app, undefined)
  return outcome
}

function describeStaging(
  app: PlatformApp,
  source: string,
  previous: string | undefined,
  {platform, registry, prefix}: StageDependencies,
): StageOutcome {
  const repository = [registry, ...(prefix === undefined ? [] : [prefix]), '<guid>'].join('/')
  const cached = `${repository}@sha256:<digest of ${source}>`
  return {
    app: app.name,
    action: 'cached',
    source,
    image: cached,
    ...(previous === undefined ? {} : {previous}),
    calls: [
      `copy ${formatReference(parseReference(source))} to ${repository}, unless it is there`,
      `look whether ${cached} can be pulled as the platform will`,
      ...platform.describeRelease(app, cached),
      platform.describeNote(app),
    ],
  }
}
