/** `holdfast cache-image --json`, and what it answers. */
import type {CachedImage} from '../../src/lib/caching/cache-images.ts'
import type {Holdfast, JsonRun} from './holdfast.ts'
import type {RunOptions} from './run-program.ts'

/** Caches one image; fails the test when Holdfast does. */
export async function cacheImage(holdfast: Holdfast, args: readonly string[], options?: RunOptions): Promise<CachedImage> {
  const [image] = cachedImages(await holdfast.json(['cache-image', ...args], options))
  if (image === undefined) throw new Error('no image was cached')
  return image
}

/** The images of an answer. */
export function cachedImages(answer: JsonRun): readonly CachedImage[] {
  if (answer.exitCode !== 0 || !answer.envelope.ok) throw new Error(`exit code ${answer.exitCode}: ${answer.stdout}${answer.stderr}`)
  return (answer.envelope.result as {readonly images: readonly CachedImage[]}).images
}
