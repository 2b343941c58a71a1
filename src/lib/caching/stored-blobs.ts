/** Blobs are remembered as they arrive, so that what an interrupted run has uploaded is found again. */
import type {Digest} from '../oci/digest.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'
import type {BlobLocationStore} from '../records/store.ts'

/** Blobs that arrive within this time are written in one transaction. */
const WRITE_EVERY_MS = 250

/** Collects the blobs that one registry has confirmed; a failed write shows when it is closed. */
export class StoredBlobs {
  readonly #records: BlobLocationStore
  readonly #registry: RegistryHost
  readonly #pending = new Map<RepositoryName, Set<Digest>>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(records: BlobLocationStore, registry: RegistryHost) {
    this.#records = records
    this.#registry = registry
  }

  readonly add = (repository: RepositoryName, digest: Digest): void => {
    const digests = this.#pending.get(repository) ?? new Set()
    this.#pending.set(repository, digests.add(digest))
    this.#timer ??= setTimeout(() => void this.#write().catch(() => {}), WRITE_EVERY_MS).unref()
  }

  /** Writes what is left. @throws {HoldfastError} STORAGE when records cannot be written. */
  async close(): Promise<void> {
    await this.#write()
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const arrived = [...this.#pending]
    this.#pending.clear()
    this.#writing = this.#writing.then(async () => {
      for (const [repository, digests] of arrived) await this.#records.recordBlobLocations(this.#registry, repository, [...digests])
    })
    return this.#writing
  }
}
