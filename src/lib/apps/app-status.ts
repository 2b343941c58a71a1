/** What an app runs: the user's image or the cached copy, pinned or not, and whether the source has moved on since. */
import {hasCode} from '../core/errors.ts'
import {parseReference, type Reference} from '../oci/reference.ts'
import {releaseOf} from './move-app.ts'
import type {Platform, PlatformApp, ReleaseUnderWay} from './platform.ts'
import {type RunningDependencies, readRunning, releaseBefore} from './running.ts'

export interface AppStatus {
  readonly app: string
  /** Absent when it is unknown: lists read no app's variables. */
  readonly hasOptedIn?: boolean
  /** What it runs; absent when nothing was ever staged. */
  readonly image?: string
  /** It runs a copy from the cache. */
  readonly isCached: boolean
  /** It runs a digest, which never changes, and no tag. */
  readonly isPinned: boolean
  /** What the cached copy is of. */
  readonly source?: string
  readonly sourceDigest?: string
  /** ISO 8601. */
  readonly stagedAt?: string
  /** What `rollback` goes back to. */
  readonly previous?: string
  /** The platform has deleted that; absent when it was not looked for. */
  readonly isPreviousGone?: true
  /** `moved`: the source names something else now. `unknown`: it could not be asked. Absent when nobody looked. */
  readonly drift?: 'none' | 'moved' | 'unknown'
  /** What the source names now. */
  readonly currentDigest?: string
  /** Present when it is stopped: it runs nothing, and its image when it is started. */
  readonly isStopped?: true
  /** Present when it is being moved to another release. */
  readonly underWay?: ReleaseUnderWay
}

export interface StatusDependencies {
  readonly platform: Platform
  readonly findCopy: RunningDependencies['findCopy']
  /** Asks the platform whether it still keeps the release before. */
  readonly looksBack?: boolean | undefined
  /** The digest that a source names now; undefined when there is no such image. Not asked when absent. */
  readonly digestOf?: ((source: Reference) => Promise<string | undefined>) | undefined
}

export async function statusOf(app: PlatformApp, {platform, findCopy, looksBack, digestOf}: StatusDependencies): Promise<AppStatus> {
  const [running, underWay] = await Promise.all([readRunning(app, {platform, findCopy}), platform.releaseUnderWay(app)])
  const staged = running.kind === 'copy' ? running.staged : undefined
  const previous = releaseBefore(releaseOf(running), app.note)
  const {name, hasOptedIn} = app
  const status: AppStatus = {
    app: name,
    ...(hasOptedIn === undefined ? {} : {hasOptedIn}),
    ...(running.kind === 'nothing' ? {} : {image: running.image}),
    isCached: running.kind === 'copy' || running.kind === 'orphan',
    isPinned: running.kind !== 'nothing' && isPinned(running.image),
    ...(staged === undefined ? {} : {source: staged.source, sourceDigest: staged.sourceDigest, stagedAt: staged.stagedAt}),
    ...(previous === undefined ? {} : {previous}),
    ...(app.isStopped === true ? {isStopped: true} : {}),
    ...(looksBack && previous !== undefined && !(await isKept(app, previous, platform)) ? {isPreviousGone: true} : {}),
    ...(underWay === undefined ? {} : {underWay}),
  }
  if (staged === undefined || digestOf === undefined) return status
  return {...status, ...(await findDrift(staged.source, staged.sourceDigest, digestOf))}
}

async function isKept(app: PlatformApp, releaseId: string, platform: Platform): Promise<boolean> {
  try {
    await platform.findRelease(app, releaseId)
    return true
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return false
    throw error
  }
}

async function findDrift(
  source: string,
  sourceDigest: string,
  digestOf: NonNullable<StatusDependencies['digestOf']>,
): Promise<Pick<AppStatus, 'drift' | 'currentDigest'>> {
  try {
    const currentDigest = await digestOf(parseReference(source))
    if (currentDigest === undefined) return {drift: 'unknown'}
    return {drift: currentDigest === sourceDigest ? 'none' : 'moved', currentDigest}
  } catch (error) {
    if (hasCode(error, 'INTERRUPTED')) throw error
    // That the origin is down is what the cache is for: the app is well.
    return {drift: 'unknown'}
  }
}

function isPinned(image: string): boolean {
  return /@sha(?:256|512):[0-9a-f]+$/.test(image)
}
