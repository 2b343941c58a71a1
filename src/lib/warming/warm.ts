/** Making sure that a mirror, or a cache, has what a list wants, before anybody asks for it. */
import type {SourceStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import {formatReference, parseTag, type Reference} from '../oci/reference.ts'
import {chooseTags, type Wish} from './wishes.ts'

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

/** One failure does not stop the others. Answers each image once, in the order of the list. */
export async function warm(wishes: readonly Wish[], dependencies: WarmDependencies): Promise<readonly WarmedImage[]> {
  const results: WarmedImage[] = []
  const done = new Set<string>()
  const tell = (image: WarmedImage): void => {
    results.push(image)
    dependencies.onImage?.(image)
  }
  for (const wish of wishes) {
    for (const reference of await imagesOf(wish, dependencies, tell)) {
      const image = formatReference(reference)
      if (done.has(image)) continue
      done.add(image)
      const {line} = wish
      if (dependencies.isDryRun) tell({line, image, outcome: 'there', sizeBytes: 0})
      else tell(await attempt(line, image, async () => ({outcome: 'there' as const, ...(await dependencies.fetch(reference))})))
    }
  }
  return results
}

async function imagesOf(
  {line, text, reference, choice}: Wish,
  {openSource, newest, signal}: WarmDependencies,
  tell: (image: WarmedImage) => void,
): Promise<readonly Reference[]> {
  if (choice === undefined) return [reference]
  const {registry, repository} = reference
  try {
    const tags: string[] = []
    const store = await openSource(reference)
    for await (const tag of store.listTags(repository, signal === undefined ? {} : {signal})) tags.push(tag)
    const chosen = await chooseTags(tags, choice, newest)
    if (chosen.length === 0) tell({line, image: text, outcome: 'failed', sizeBytes: 0, reason: `none of its ${tags.length} tags is meant`})
    return chosen.map((tag) => ({registry, repository, tag: parseTag(tag)}))
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
    tell({line, image: text, outcome: 'failed', sizeBytes: 0, reason: error.message})
    return []
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
