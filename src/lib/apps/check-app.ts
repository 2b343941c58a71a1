/** Whether the instances of an app would come up again today: whether the platform could pull what they run. */
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import {parseReference, type Reference, type RegistryHost} from '../oci/reference.ts'
import type {Platform, PlatformApp, PullCredentials} from './platform.ts'
import {type RunningDependencies, readRunning} from './running.ts'

export interface AppCheck {
  readonly app: string
  /** `ORG/SPACE`, where the platform has spaces. */
  readonly space?: string
  /** What it runs; absent when it runs nothing. */
  readonly image?: string
  readonly isCached: boolean
  /**
   * `pullable`: it would survive a restart. `gone`: the registry has no such image. `refused`: it does not open for what the platform pulls with. `unreachable`: it does not
   * answer. `unknown`: it could not be found out.
   */
  readonly verdict: 'pullable' | 'gone' | 'refused' | 'unreachable' | 'unknown'
  /**
   * What was tried: `build`, the platform pulled it itself; `platform`, asked as the platform does; `named`, asked with the credentials that the user named; `own`, asked with
   * what Holdfast has, since no platform tells a password.
   */
  readonly tried: 'build' | 'platform' | 'named' | 'own' | 'nothing'
  /** The user name that the platform pulls with; absent where it pulls without one. */
  readonly pullsAs?: string
  /** Why it is not pullable, or not known to be. */
  readonly reason?: string
}

export interface CheckDependencies extends Pick<RunningDependencies, 'findCopy'> {
  readonly platform: Platform
  /** The platform's credentials, and the cache that they are for, where the user named them. */
  readonly pullCredentials?: PullCredentials | undefined
  readonly registry?: RegistryHost | undefined
  /** Have the platform build the app's package once more: nothing that runs changes, and the platform itself pulls. */
  readonly isBuilt?: boolean | undefined
  /** @throws {HoldfastError} when the image cannot be pulled with these credentials, or without any. */
  readonly assertPullable: (image: Reference, credentials: PullCredentials | undefined) => Promise<void>
  /** @throws {HoldfastError} when the image cannot be read with what Holdfast has for its registry. */
  readonly assertReadable: (image: Reference) => Promise<void>
}

const VERDICTS: Partial<Readonly<Record<ErrorCode, AppCheck['verdict']>>> = {
  MANIFEST_NOT_FOUND: 'gone',
  REPOSITORY_NOT_FOUND: 'gone',
  UNAUTHENTICATED: 'refused',
  DENIED: 'refused',
  STAGING_FAILED: 'refused',
  NETWORK: 'unreachable',
  TIMEOUT: 'unreachable',
  TLS: 'unreachable',
  PLAIN_HTTP: 'unreachable',
  REGISTRY_UNAVAILABLE: 'unreachable',
  RATE_LIMITED: 'unreachable',
}

/** Changes nothing that runs. @throws {HoldfastError} what the platform throws. */
export async function checkApp(name: string, dependencies: CheckDependencies): Promise<AppCheck> {
  const {platform} = dependencies
  const app = await platform.findApp(name)
  const running = await readRunning(app, dependencies)
  const known = {app: name, ...(platform.space === undefined ? {} : {space: platform.space})}
  const release = running.kind === 'nothing' ? undefined : running.release
  if (running.kind === 'nothing' || release === undefined)
    return {...known, isCached: false, verdict: 'unknown', tried: 'nothing', reason: 'it runs nothing'}
  const {pullsAs} = await platform.findRelease(app, release)
  const checked = {...known, image: running.image, isCached: running.kind !== 'own', ...(pullsAs === undefined ? {} : {pullsAs})}
  return {...checked, ...(await tryToPull(app, {image: running.image, release, pullsAs}, dependencies))}
}

interface Checked {
  readonly image: string
  readonly release: string
  readonly pullsAs: string | undefined
}

type Trial = Pick<AppCheck, 'verdict' | 'tried' | 'reason'>

async function tryToPull(
  app: PlatformApp,
  {image, release, pullsAs}: Checked,
  {platform, pullCredentials, registry, isBuilt, assertPullable, assertReadable}: CheckDependencies,
): Promise<Trial> {
  if (isBuilt && platform.kind !== 'local')
    return await judge('build', async () => await platform.prepareAgain(app, await platform.findRelease(app, release)))
  const reference = parseReference(image)
  if (pullsAs === undefined && platform.kind !== 'local') return await judge('platform', () => assertPullable(reference, undefined))
  const own = async (): Promise<Trial> => {
    const trial = await judge('own', () => assertReadable(reference))
    // What does not open for us says nothing of the platform.
    return trial.verdict === 'refused' ? {...trial, verdict: 'unknown'} : trial
  }
  if (pullsAs === undefined) return await own()
  const atPlatform = `only --build shows whether it opens with what the platform has for "${pullsAs}"`
  // A registry that another user's app names gets no password that is meant for the cache.
  if (pullCredentials?.username === pullsAs && registry === reference.registry) {
    const named = await judge('named', () => assertPullable(reference, pullCredentials))
    if (named.verdict === 'pullable') return {...named, verdict: 'unknown', reason: `it opens with the named credentials; ${atPlatform}`}
    if (named.verdict !== 'refused') return named
    const there = await own()
    if (there.verdict === 'gone') return there
    return {...named, verdict: 'unknown', reason: `the named credentials do not open it (${named.reason}); ${atPlatform}`}
  }
  const trial = await own()
  return trial.verdict === 'pullable' ? {...trial, verdict: 'unknown', reason: `it is there; ${atPlatform}`} : trial
}

async function judge(tried: AppCheck['tried'], pull: () => Promise<unknown>): Promise<Trial> {
  try {
    await pull()
    return {tried, verdict: 'pullable'}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {tried, verdict: VERDICTS[error.code] ?? 'unknown', reason: error.message}
  }
}

/** Whether an app would stay down. */
export function wouldFail({verdict}: AppCheck): boolean {
  return verdict === 'gone' || verdict === 'refused' || verdict === 'unreachable'
}
