/** Cached images as several machines know them: noted here, and at the collector that was chosen, where there is one. */
import type {Collector} from '../collector/collector.ts'
import {HoldfastError} from '../core/errors.ts'
import {parseDigest} from '../oci/digest.ts'
import {parseRegistryHost, parseRepositoryName} from '../oci/reference.ts'
import type {CachedImageRecord, RecordStore} from '../records/store.ts'
import type {Context} from './context.ts'

/** Records that tell the chosen collector of each image; `warn` is told when it could not be. */
export async function sharedRecords(context: Context, warn: (message: string) => void): Promise<RecordStore> {
  const [records, chosen] = await Promise.all([context.records(), context.chosenCollector()])
  if (chosen === undefined) return records
  let collector: Promise<Collector> | undefined
  return {
    ...records,
    async recordCachedImage(record) {
      await records.recordCachedImage(record)
      try {
        collector ??= context.collector(chosen)
        await tell(await collector, record)
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code === 'INTERRUPTED') throw error
        // The image is where it should be: that others cannot look it up is no reason to fail.
        warn(`collector "${chosen}" was not told of ${record.registry}/${record.repository}: ${error.message}`)
      }
    },
  }
}

async function tell(
  collector: Collector,
  {createdAt: _, checkedAt: __, owner: ___, platforms, ...record}: CachedImageRecord,
): Promise<void> {
  const {noteCachedImage} = await import('../collector/api/cached-images.ts')
  await collector.run(noteCachedImage, {...record, ...(platforms === undefined ? {} : {platforms: [...platforms]})})
}

/** Where cached images are looked up: at the collector elsewhere that is named or was chosen, else here. */
export async function cachedImageSource(context: Context, url: string | undefined): Promise<Pick<RecordStore, 'searchCachedImages'>> {
  const chosen = url ?? (await context.chosenCollector())
  if (chosen === undefined || chosen === 'local') return await context.records()
  const [collector, {findCachedImages}] = await Promise.all([context.collector(chosen), import('../collector/api/cached-images.ts')])
  return {
    async searchCachedImages(query) {
      const {images} = await collector.run(findCachedImages, query === undefined ? {} : {query})
      return images.map(({principal: _, registry, repository, sourceDigest, digest, ...image}) => ({
        ...image,
        registry: parseRegistryHost(registry),
        repository: parseRepositoryName(repository),
        sourceDigest: parseDigest(sourceDigest),
        digest: parseDigest(digest),
      }))
    },
  }
}
