/** One app, or all that run from the cache or are to: the failure of one does not stop the others. */
import {CACHE_VARIABLE, isOptIn, markOptIn} from '../apps/opt-in.ts'
import type {Platform, PlatformApp} from '../apps/platform.ts'
import {type RunningDependencies, readRunning} from '../apps/running.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellWord} from '../core/shell.ts'
import type {PlatformPlace} from './app-platform.ts'
import {type ErrorBody, errorBody} from './error-report.ts'
import {type Leftover, PartialFailure} from './partial-failure.ts'
import {formatCount} from './units.ts'

export interface EachApp<Outcome> extends PlatformPlace {
  readonly apps: readonly Outcome[]
  /** `space`: where several were worked on. */
  readonly failures: readonly {readonly app: string; readonly space?: string; readonly error: ErrorBody}[]
  /** With --all of apps that are to run from the cache: those that were left alone, and why. */
  readonly skipped?: readonly SkippedApp[]
}

interface SkippedApp {
  readonly app: string
  /** `not-opted-in`: it has not opted in. `no-image`: it has, and is built from source code. */
  readonly reason: 'not-opted-in' | 'no-image'
}

export interface EachAppRequest<Outcome> {
  /** In sentences: `cannot <verb> 2 of 5 apps`. */
  readonly verb: string
  /** As it is typed; the verb when absent. */
  readonly command?: string | undefined
  readonly app: string | undefined
  readonly isAll: boolean | undefined
  readonly platform: Platform
  readonly place: PlatformPlace
  /** Where `--all` looks, when that is more than `platform`. */
  readonly everywhere?: (() => Promise<readonly Platform[]>) | undefined
  /** Which ones `--all` means: those that run from the cache, or those that do and those that are to; or all that run an image. */
  readonly select: 'cached' | 'opted-in' | 'all'
  readonly findCopy: RunningDependencies['findCopy']
  /** Nothing is changed. */
  readonly isDryRun?: boolean | undefined
  readonly run: (app: string, platform: Platform) => Promise<Outcome>
  readonly onFailure: (message: string) => void
  readonly onSkipped?: ((skipped: readonly SkippedApp[]) => void) | undefined
  readonly leaves: (describe: () => Leftover) => void
  /** What stays of the app that is worked on when the command stops now; undefined when nothing of it was changed. */
  readonly left: () => string | undefined
}

/**
 * @throws {HoldfastError} USAGE unless one app or --all is named; what `run` throws for the one app; {PartialFailure} when some of all failed.
 */
export async function forEachApp<Outcome>(request: EachAppRequest<Outcome>): Promise<EachApp<Outcome>> {
  const {verb, command = verb, app, isAll, platform, place, select, run, onFailure, onSkipped, leaves, left} = request
  if ((app === undefined) !== (isAll === true)) {
    throw new HoldfastError('USAGE', `cannot ${verb} an app: name one, or --all`, {
      hints: [`holdfast ${command} APP`, `holdfast ${command} --all`],
    })
  }
  const apps: Outcome[] = []
  const failures: EachApp<Outcome>['failures'][number][] = []
  const skipped: SkippedApp[] = []
  const done: string[] = []
  let current: string | undefined
  leaves(() => {
    const begun = current === undefined ? [] : [left() ?? `app "${current}" is what it was`]
    const said = [...done.map((name) => `app "${name}" is done`), ...begun]
    return {left: `${said.join('; ') || 'no app was changed'}; the same command again goes on`, result: {...place, apps, failures}}
  })
  if (app !== undefined) {
    current = app
    return {...place, apps: [await run(app, platform)], failures: []}
  }
  const platforms = (await request.everywhere?.()) ?? [platform]
  for (const one of platforms) {
    const inSpace = platforms.length === 1 || one.space === undefined ? {} : {space: one.space}
    const title = (name: string): string => (inSpace.space === undefined ? name : `${name} (${inSpace.space})`)
    for (const candidate of await one.listApps()) {
      current = undefined
      try {
        if (!(await isMeant(one, candidate, request))) {
          skipped.push({app: candidate.name, reason: 'not-opted-in'})
          continue
        }
        current = title(candidate.name)
        apps.push(await run(candidate.name, one))
        done.push(title(candidate.name))
      } catch (error) {
        if (hasCode(error, 'INTERRUPTED')) throw error
        const body = errorBody(error)
        onFailure(`app "${title(candidate.name)}": ${body.message}`)
        failures.push({app: candidate.name, ...inSpace, error: body})
      }
    }
  }
  if (select === 'opted-in') {
    for (const {name} of await platform.listAppsWithoutImage()) skipped.push({app: name, reason: 'no-image'})
    if (skipped.length > 0) onSkipped?.(skipped)
  }
  const result = {...place, apps, failures, ...(select === 'opted-in' ? {skipped} : {})}
  if (failures.length === 0) return result
  const names = failures.map(({app: name, space}) => (space === undefined ? name : `${name} (${space})`))
  throw new PartialFailure(
    `cannot ${verb} ${failures.length} of ${formatCount(apps.length + failures.length, 'app')}: ${names.join(', ')}`,
    result,
    failures.map(({app: name, space}) => `holdfast ${command} ${shellWord(name)}${space === undefined ? '' : `   # in space ${space}`}`),
  )
}

async function isMeant(
  platform: Platform,
  app: PlatformApp,
  {select, findCopy, isDryRun}: Pick<EachAppRequest<unknown>, 'select' | 'findCopy' | 'isDryRun'>,
): Promise<boolean> {
  if (select === 'opted-in') return app.note !== undefined || (app.hasOptedIn ?? (await findOptIn(platform, app, isDryRun === true)))
  if (select === 'all') return true
  const {kind} = await readRunning(app, {platform, findCopy})
  return kind === 'copy' || kind === 'orphan'
}

/** Of an app that no list knows the choice of: the variable is read once, and what lists go by is written. */
async function findOptIn(platform: Platform, app: PlatformApp, isDryRun: boolean): Promise<boolean> {
  const hasOptedIn = isOptIn(await platform.readVariable(app, CACHE_VARIABLE))
  if (!isDryRun) await markOptIn(platform, app, hasOptedIn)
  return hasOptedIn
}
