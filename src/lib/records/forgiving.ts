/** Records for work whose purpose is something else: an image that is where it should be is a success, also when it cannot be remembered. */
import {type HoldfastError, hasCode} from '../core/errors.ts'
import type {RecordStore} from './store.ts'

/** The same records; cached images and blob locations that cannot be written are lost, and `onLost` is told of the first. */
export function createForgivingRecords(records: RecordStore, onLost: (error: HoldfastError) => void): RecordStore {
  let isTold = false
  const forgive = async <T>(write: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await write
    } catch (error) {
      if (!hasCode(error, 'STORAGE')) throw error
      if (!isTold) onLost(error)
      isTold = true
      return otherwise
    }
  }
  return {
    ...records,
    recordCachedImage: (record) => forgive(records.recordCachedImage(record), undefined),
    claimRepository: (key, fresh, known) => forgive(records.claimRepository(key, fresh, known), fresh),
    recordImageCheck: (image, checkedAt) => forgive(records.recordImageCheck(image, checkedAt), undefined),
    recordImageDamage: (image, damaged) => forgive(records.recordImageDamage(image, damaged), undefined),
    recordImageRemoval: (image, removedAt) => forgive(records.recordImageRemoval(image, removedAt), undefined),
    addEmbeddedName: (registry) => forgive(records.addEmbeddedName(registry), undefined),
    recordBlobLocations: (registry, repository, digests) => forgive(records.recordBlobLocations(registry, repository, digests), undefined),
  }
}
