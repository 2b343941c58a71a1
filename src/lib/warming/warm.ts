/** Making sure that a mirror, or a cache, has what a list wants, before anybody asks for it. */
import type {SourceStore} from '../content/store.ts'
import {awaitedLater} from '../core/awaited-later.ts'
import {HoldfastError} from '../core/errors.ts'
import {Lane} from '../core/lane.ts'
import {formatReference, parseTag, type Reference} from '../oci/reference.ts'
import {chooseTags, type Wish} from './wishes.ts'

/** Each moves several blobs at once. */
const IMAGES_AT_ONCE = 4

export interface WarmedImage {
  readonly line: number
  readonly image: string
  readonly outcome: 'there' | 'failed'
  readonly digest?: string
  readonly sizeBytes: number
  readonly reason?: string
}

export interface WarmDependencies {
  /** Lists the tags of a repository. */
  readonly openSource: (reference: Reference) => Promise<Pick<SourceStore, 'listTags'>>
  /** Sees to one image. @throws {HoldfastError} */
  readonly fetch: (reference: Reference) => Promise<{readonly digest: string; readonly sizeBytes: number}>
  /** How many tags of a choice. */
  readonly newest: number
  readonly isDryRun: boolean
  readonly onImage?: ((image: WarmedImage) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** One failure does not stop the others. Answers each image once, in the order of the list; several are seen to at once. */
export async function warm(wishes: readonly Wish[], dependencies: WarmDependencies): Promise<readonly WarmedImage[]> {
  const {isDryRun, fetch, onImage} = dependencies
  const lane = new Lane(() => IMAGES_AT_ONCE)
  const done = new Set<string>()
  const results: Promise<WarmedImage>[] = []
  const tell = (result: WarmedImage): WarmedImage => {
    onImage?.(result)
    return result
  }
  for (const wish of wishes) {
    const {line, text} = wish
    const found = await imagesOf(wish, dependencies)
    if ('reason' in found) {
      results.push(Promise.resolve(tell({line, image: text, outcome: 'failed', sizeBytes: 0, reason: found.reason})))
      continue
    }
    for (const reference of found.images) {
      const image = formatReference(reference)
      if (done.has(image)) continue
      done.add(image)
      const work = async (): Promise<WarmedImage> =>
        isDryRun
          ? {line, image, outcome: 'there', sizeBytes: 0}
          : await attempt(line, image, async () => ({outcome: 'there' as const, ...(await fetch(reference))}))
      const result = isDryRun ? work().then(tell) : lane.run(work).then(tell)
      // The next entry of the list is looked up meanwhile.
      results.push(awaitedLater(result))
    }
  }
  return await Promise.all(results)
}

type FoundImages = {readonly images: readonly Reference[]} | {readonly reason: string}

async function imagesOf({reference, choice}: Wish, {openSource, newest, signal}: WarmDependencies): Promise<FoundImages> {
  if (choice === undefined) return {images: [reference]}
  const {registry, repository} = reference
  try {
    const tags: string[] = []
    const store = await openSource(reference)
    for await (const tag of store.listTags(repository, signal === undefined ? {} : {signal})) tags.push(tag)
    const chosen = await chooseTags(tags, choice, newest)
    if (chosen.length === 0) return {reason: `none of its ${tags.length} tags is meant`}
    return {images: chosen.map((tag) => ({registry, repository, tag: parseTag(tag)}))}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {reason: error.message}
  }
}

async function attempt(
  line: number,
  image: string,
  work: () => Promise<Pick<WarmedImage, 'outcome' | 'digest' | 'sizeBytes'>>,
): Promise<WarmedImage> {
  try {
    return {line, image, ...(await work())}
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    return {line, image, outcome: 'failed', sizeBytes: 0, reason: error.message}
  }
}
