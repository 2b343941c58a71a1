/** Apps as the platform and as the collector know them, put together by name. */
import {type AppStatus, statusOf} from '../apps/app-status.ts'
import type {Platform} from '../apps/platform.ts'
import {rememberedCopy} from '../apps/remembered-copy.ts'
import type {RunningDependencies} from '../apps/running.ts'
import {hasCode} from '../core/errors.ts'
import {manifestReference} from '../oci/reference.ts'
import type {AppRow} from './app-report.ts'
import type {Context} from './context.ts'

interface AppRowSources {
  readonly platform: Platform
  readonly collector?: string | undefined
}

/** By name. */
export async function findAppRows(
  context: Context,
  {platform, collector, hasDrift}: AppRowSources & {readonly hasDrift: boolean},
): Promise<readonly AppRow[]> {
  const findCopy = copyFinder(context)
  const statuses: AppStatus[] = []
  for (const app of await platform.surveyApps())
    statuses.push(await statusOf(app, {platform, findCopy, ...(hasDrift ? {digestOf: digestOf(context)} : {})}))
  const rows = new Map(statuses.map((status) => [status.app, {code: status.app, status} as AppRow]))
  for (const app of await collectorApps(context, collector, statuses.length > 0)) rows.set(app.code, {...rows.get(app.code), ...app})
  return [...rows.values()].sort((a, b) => (a.code < b.code ? -1 : 1))
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND when neither the platform nor the collector knows it. */
export async function findAppRow(context: Context, name: string, {platform, collector}: AppRowSources): Promise<AppRow> {
  let missing: unknown
  const found = await platform.findApp(name).catch((error: unknown) => {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error
    missing = error
    return undefined
  })
  const status =
    found === undefined
      ? undefined
      : await statusOf(found, {platform, findCopy: copyFinder(context), looksBack: true, digestOf: digestOf(context)})
  const known = (await collectorApps(context, collector, found !== undefined)).find(({code}) => code === name)
  if (status === undefined && known === undefined) throw missing
  return {...known, code: name, ...(status === undefined ? {} : {status})}
}

/** None where there is no collector; where the platform has apps, a collector that does not show its own is no failure. */
async function collectorApps(context: Context, url: string | undefined, hasOthers: boolean): Promise<readonly AppRow[]> {
  if (url === undefined && !(await context.hasCollector())) return []
  const [collector, {listApps}] = await Promise.all([context.collector(url), import('../collector/api/apps.ts')])
  try {
    return (await collector.run(listApps, {})).apps
  } catch (error) {
    if (hasOthers && hasCode(error, 'DENIED')) return []
    throw error
  }
}

/** What this machine remembers of cached references. */
function copyFinder(context: Context): RunningDependencies['findCopy'] {
  return async (image) => await rememberedCopy(await context.records(), image)
}

function digestOf(context: Context): NonNullable<Parameters<typeof statusOf>[1]['digestOf']> {
  return async (source) => {
    const store = await context.openSource(source)
    return (await store.statManifest(source.repository, manifestReference(source), {signal: context.signal}))?.digest
  }
}
