/** What `warm` works with: the list, where its tags are looked up, and what sees to an image. */
import {readFile} from 'node:fs/promises'
import {text} from 'node:stream/consumers'
import {HoldfastError} from '../core/errors.ts'
import type {Reference} from '../oci/reference.ts'
import type {WarmDependencies} from '../warming/warm.ts'
import type {Wish} from '../warming/wishes.ts'
import type {Context} from './context.ts'

interface WarmingFlags {
  readonly mirror?: string | undefined
  readonly to?: string | undefined
}

interface Warming extends Pick<WarmDependencies, 'openSource' | 'fetch'> {
  readonly wishes: readonly Wish[]
}

/** @throws {HoldfastError} CONFIGURATION when the list cannot be read; USAGE, INVALID_REFERENCE for what is wrong in it; as opening a registry. */
export async function openWarming(context: Context, file: string, {mirror, to}: WarmingFlags): Promise<Warming> {
  const {parseWishes} = await import('../warming/wishes.ts')
  const wishes = await parseWishes(await readList(file), file)
  const openSource = (reference: Reference) => context.openSource(reference)
  if (mirror !== undefined) return {wishes, ...(await throughMirror(context, mirror))}
  const [{cacheImages}, target, records] = await Promise.all([
    import('../caching/cache-images.ts'),
    context.openTarget(to),
    context.records(),
  ])
  return {
    wishes,
    openSource,
    async fetch(reference) {
      const [outcome] = await cacheImages(
        {sources: [reference], registry: target.registry},
        {target: target.store, openSource, records, now: () => new Date(), signal: context.signal},
      )
      if (outcome?.status !== 'cached') throw outcome?.error
      return outcome.image
    },
  }
}

/** Everything of an image is read through the mirror, which keeps it. */
async function throughMirror(context: Context, url: string): Promise<Pick<Warming, 'openSource' | 'fetch'>> {
  const [{pullWhole}, {findEndpoint}, records] = await Promise.all([
    import('../mirror/drill.ts'),
    import('../registries/find.ts'),
    context.records(),
  ])
  const {endpoint} = await findEndpoint(records, url)
  const store = await context.openRegistry(endpoint)
  return {openSource: async () => store, fetch: (reference) => pullWhole(store, reference, context.signal)}
}

async function readList(file: string): Promise<string> {
  if (file === '-') return await text(process.stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new HoldfastError('CONFIGURATION', `cannot read "${file}"`, {hints: [`ls -l "${file}"`], cause})
  }
}
