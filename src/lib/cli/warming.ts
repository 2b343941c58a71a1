/** What `warm` works with: what is wanted, where its tags are looked up, and what sees to an image. */
import * as Flags from '@oclif/core/flags'
import {DEFAULT_RECHECK_MS} from '../caching/recheck.ts'
import type {Collector} from '../collector/collector.ts'
import {createRenamedSource} from '../content/renamed-source.ts'
import type {SourceStore} from '../content/store.ts'
import {parseDurationMs} from '../core/duration.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import {DOCKER_HUB, parseRepositoryName, type Reference} from '../oci/reference.ts'
import type {ServedMirror} from '../server/mirror.ts'
import type {LoggedUpstream} from '../warming/seen.ts'
import type {WarmDependencies, WarmedImage} from '../warming/warm.ts'
import type {Wish} from '../warming/wishes.ts'
import {describeCheck} from './cached-report.ts'
import type {Context} from './context.ts'
import {readInputText} from './input-file.ts'
import {mirrorPlaces} from './mirror-places.ts'
import {inMirror} from './mirror-values.ts'
import type {Output} from './output.ts'
import {formatCount} from './units.ts'

/** How much of the event log is looked at: the newest so many events, and no older ones than this. */
const MAX_EVENTS = 1_000
const LOG_DAYS = 30
const DAY_MS = 86_400_000

type Warming = Pick<WarmDependencies, 'openSource' | 'fetch'>

/** @throws {HoldfastError} CONFIGURATION when the list cannot be read; USAGE, INVALID_REFERENCE for what is wrong in it. */
export async function readWishes(file: string, signal: AbortSignal): Promise<readonly Wish[]> {
  const {parseWishes} = await import('../warming/wishes.ts')
  return await parseWishes(await readInputText(file, signal), file)
}

/** Images that the collector has seen pulled from the registries that it manages. @throws {HoldfastError} DENIED for who is no administrator there. */
export async function seenImages(collector: Collector): Promise<readonly Reference[]> {
  const [{listEvents}, {listManagedRegistries}, {imagesOfEvents}, {parseRegistryUrl}] = await Promise.all([
    import('../collector/api/logs.ts'),
    import('../collector/api/registries.ts'),
    import('../warming/seen.ts'),
    import('../registries/registry-url.ts'),
  ])
  const since = new Date(Date.now() - LOG_DAYS * DAY_MS).toISOString()
  const [{events}, {registries}] = await Promise.all([
    collector.run(listEvents, {action: 'pull', since, limit: MAX_EVENTS}),
    collector.run(listManagedRegistries, {}),
  ])
  return imagesOfEvents(events, new Map(registries.map(({name, url}) => [name, parseRegistryUrl(url).host])))
}

/** Images that an access log has seen pulled. @throws {HoldfastError} CONFIGURATION when it cannot be read. */
export async function loggedImages(file: string, upstreams: readonly LoggedUpstream[], signal: AbortSignal): Promise<readonly Reference[]> {
  const {imagesOfAccessLog} = await import('../warming/seen.ts')
  return imagesOfAccessLog(await readInputText(file, signal), upstreams)
}

/** What sees to an image: the cache, or a mirror that it is pulled through. */
export async function openWarming(
  context: Context,
  {mirror, to}: {readonly mirror?: string | undefined; readonly to?: string | undefined},
  output: Output,
): Promise<Warming> {
  if (mirror !== undefined) return await throughMirror(context, mirror)
  const openSource = (reference: Reference) => context.openSource(reference)
  const [{cacheImages}, target, records] = await Promise.all([
    import('../caching/cache-images.ts'),
    context.openTarget(to),
    context.records(),
  ])
  return {
    openSource,
    async fetch(reference) {
      const [outcome] = await cacheImages(
        {sources: [reference], registry: target.registry, prefix: target.prefix, recheckMs: DEFAULT_RECHECK_MS},
        {
          target: target.store,
          openSource,
          records,
          findInMirror: mirrorPlaces(context),
          now: () => new Date(),
          openForChecks: target.openForChecks,
          onCheck: (event) => output.warn(describeCheck(event)),
          signal: context.signal,
        },
      )
      if (outcome?.status !== 'cached') throw outcome?.error
      return outcome.image
    },
  }
}

/** A mirror of this process sees to its own images. */
export async function warmingOf({stores}: Pick<ServedMirror, 'stores'>, signal: AbortSignal): Promise<Warming> {
  const {fillWhole} = await import('../mirror/verify.ts')
  const storeOf = ({registry, repository}: Reference): SourceStore => {
    for (const [name, store] of stores) {
      if (!`${registry}/${repository}`.startsWith(`${name}/`)) continue
      return createRenamedSource(store, (full) => parseRepositoryName(`${registry}/${full}`.slice(name.length + 1)))
    }
    throw new HoldfastError('USAGE', `cannot fetch from "${registry}": it is not mirrored here`, {hints: [`--upstream ${registry}`]})
  }
  return {openSource: async (reference) => storeOf(reference), fetch: (reference) => fillWhole(storeOf(reference), reference, signal)}
}

/** Everything of an image is read through the mirror, which keeps it. */
async function throughMirror(context: Context, url: string): Promise<Warming> {
  const [{pullWhole}, {findEndpoint}, records] = await Promise.all([
    import('../mirror/verify.ts'),
    import('../registries/find.ts'),
    context.records(),
  ])
  const {endpoint} = await findEndpoint(records, url, context.signal)
  const store = await context.openRegistry(endpoint)
  const pull = (reference: Reference) => pullWhole(store, reference, context.signal)
  return {
    openSource: async (reference) => ({
      listTags: (name, call) => store.listTags(inMirror({...reference, repository: name}, endpoint.registry).repository, call),
    }),
    async fetch(reference) {
      try {
        return await pull(inMirror(reference, endpoint.registry))
      } catch (error) {
        // A mirror of another kind knows Docker Hub alone, and that by no name.
        if (reference.registry !== DOCKER_HUB || !hasCode(error, 'MANIFEST_NOT_FOUND', 'REPOSITORY_NOT_FOUND')) throw error
        return await pull(reference)
      }
    },
  }
}

export const WARM_FLAGS = {
  warm: Flags.string({
    env: 'HOLDFAST_WARM',
    helpValue: 'FILE',
    summary: 'See to it that what this list names is here, now and then again (as "warm").',
  }),
  'warm-every': Flags.string({env: 'HOLDFAST_WARM_EVERY', default: '6h', helpValue: 'DURATION', summary: 'How often. Default: 6h.'}),
}

interface WarmFlags {
  readonly warm?: string | undefined
  readonly 'warm-every': string
}

type TryLock = (file: string, lifeMs: number) => Promise<(() => Promise<void>) | undefined>

export interface PlannedWarming {
  /** Begins at once. */
  start(warming: Warming, output: Output, tryLock?: TryLock): {stop(): Promise<void>}
}

/**
 * Warming from a list while something is served; the list is read anew each time. Undefined where none is wanted.
 * @throws {HoldfastError} USAGE for an interval that is none; what reading the list throws: a server that cannot do what it was told does not start.
 */
export async function planWarming({warm: file, 'warm-every': every}: WarmFlags, stop: AbortSignal): Promise<PlannedWarming | undefined> {
  if (file === undefined) return undefined
  const everyMs = parseDurationMs(every)
  if (everyMs === undefined) {
    throw new HoldfastError('USAGE', `cannot warm every "${every.slice(0, 100)}": it is not a duration`, {hints: ['--warm-every 6h']})
  }
  if (file === '-') throw new HoldfastError('USAGE', 'cannot warm from standard input again and again', {hints: ['--warm FILE']})
  await readWishes(file, stop)
  const [{warm}, {startWarmSchedule}] = await Promise.all([import('../warming/warm.ts'), import('../warming/schedule.ts')])
  return {
    start: (warming, output, tryLock) =>
      startWarmSchedule({
        everyMs,
        warm: async (signal) => await warm(await readWishes(file, signal), {...warming, newest: DEFAULT_NEWEST, isDryRun: false, signal}),
        tryLock: tryLock === undefined ? undefined : () => tryLock(file, everyMs),
        report: (turn) => {
          if (turn.kind === 'elsewhere') output.trace(text`"${file}" is warmed elsewhere`)
          else if (turn.kind === 'failed') output.note(text`cannot warm from "${file}": ${turn.error.message}`)
          else reportWarmed(file, turn.images, output)
        },
      }),
  }
}

function reportWarmed(file: string, images: readonly WarmedImage[], output: Output): void {
  const failed = images.filter(({outcome}) => outcome === 'failed')
  output.note(text`warmed from "${file}": ${formatCount(images.length - failed.length, 'image')}, ${failed.length} failed`)
  for (const {image, reason} of failed) output.note(text`${image}: ${reason ?? ''}`)
}

/** Of a pattern or a range, unless told otherwise. */
export const DEFAULT_NEWEST = 5
