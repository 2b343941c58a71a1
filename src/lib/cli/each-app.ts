/** One app, or all that run from the cache or are to: the failure of one does not stop the others. */
import {CACHE_VARIABLE, isOptIn} from '../apps/opt-in.ts'
import type {Platform, PlatformApp} from '../apps/platform.ts'
import {type RunningDependencies, readRunning} from '../apps/running.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellWord} from '../core/shell.ts'
import {type ErrorBody, errorBody} from './error-report.ts'
import {type Leftover, PartialFailure} from './partial-failure.ts'
import {formatCount} from './units.ts'

export interface EachApp<Outcome> {
  readonly apps: readonly Outcome[]
  /** `space`: where several were worked on. */
  readonly failures: readonly {readonly app: string; readonly space?: string; readonly error: ErrorBody}[]
}

export interface EachAppRequest<Outcome> {
  /** As it is typed. */
  readonly verb: string
  readonly app: string | undefined
  readonly isAll: boolean | undefined
  readonly platform: Platform
  /** Where `--all` looks, when that is more than `platform`. */
  readonly everywhere?: (() => Promise<readonly Platform[]>) | undefined
  /** Which ones `--all` means: those that run from the cache, or those that do and those that are to; or whatever runs an image. */
  readonly select: 'cached' | 'opted-in' | 'all'
  readonly findCopy: RunningDependencies['findCopy']
  readonly run: (app: string, platform: Platform) => Promise<Outcome>
  readonly onFailure: (message: string) => void
  readonly leaves: (describe: () => Leftover) => void
  /** What stays of the app that is worked on when the command stops now; undefined when nothing of it was changed. */
  readonly left: () => string | undefined
}

/**
 * @throws {HoldfastError} USAGE unless one app or --all is named; what `run` throws for the one app; {PartialFailure} when some of all failed.
 */
export async function forEachApp<Outcome>(request: EachAppRequest<Outcome>): Promise<EachApp<Outcome>> {
  const {verb, app, isAll, platform, run, onFailure, leaves, left} = request
  if ((app === undefined) !== (isAll === true)) {
    throw new HoldfastError('USAGE', `cannot ${verb}: name one app, or --all`, {hints: [`holdfast ${verb} APP`, `holdfast ${verb} --all`]})
  }
  const apps: Outcome[] = []
  const failures: EachApp<Outcome>['failures'][number][] = []
  const done: string[] = []
  let current: string | undefined
  leaves(() => {
    const begun = current === undefined ? [] : [left() ?? `app "${current}" is what it was`]
    const said = [...done.map((name) => `app "${name}" is done`), ...begun]
    return {left: `${said.join('; ') || 'no app was changed'}; the same command again goes on`, result: {apps, failures}}
  })
  if (app !== undefined) {
    current = app
    return {apps: [await run(app, platform)], failures: []}
  }
  const platforms = (await request.everywhere?.()) ?? [platform]
  for (const place of platforms) {
    const inSpace = platforms.length === 1 || place.space === undefined ? {} : {space: place.space}
    const title = (name: string): string => (inSpace.space === undefined ? name : `${name} (${inSpace.space})`)
    for (const candidate of await place.listApps()) {
      current = undefined
      try {
        if (!(await isMeant(place, candidate, request))) continue
        current = title(candidate.name)
        apps.push(await run(candidate.name, place))
        done.push(title(candidate.name))
      } catch (error) {
        if (hasCode(error, 'INTERRUPTED')) throw error
        const body = errorBody(error)
        onFailure(`app "${title(candidate.name)}": ${body.message}`)
        failures.push({app: candidate.name, ...inSpace, error: body})
      }
    }
  }
  const result = {apps, failures}
  if (failures.length === 0) return result
  const names = failures.map(({app: name, space}) => (space === undefined ? name : `${name} (${space})`))
  throw new PartialFailure(
    `cannot ${verb} ${failures.length} of ${formatCount(apps.length + failures.length, 'app')}: ${names.join(', ')}`,
    result,
    failures.map(({app: name, space}) => `holdfast ${verb} ${shellWord(name)}${space === undefined ? '' : `   # in space ${space}`}`),
  )
}

async function isMeant(
  platform: Platform,
  app: PlatformApp,
  {select, findCopy}: Pick<EachAppRequest<unknown>, 'select' | 'findCopy'>,
): Promise<boolean> {
  if (select === 'opted-in') return app.note !== undefined || isOptIn(await platform.readVariable(app, CACHE_VARIABLE))
  if (select === 'all') return true
  const {kind} = await readRunning(app, {platform, findCopy})
  return kind === 'copy' || kind === 'orphan'
}
