/** What a mirror has yet to do, in memory and in the journal: tags to move when their image is complete, and images to complete. */
import type {Digest} from '../../oci/digest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {Journal} from './journal.ts'

/** Repositories that something waits for; the one that waits longest is forgotten. */
const MAX_REPOSITORIES = 10_000
/** Most pulls are over before anything has to be written. */
const SAVE_DELAY_MS = 1_000

export interface PendingRepository {
  /** What each tag, or digest that is to be kept, has named; of several images the newest is last. */
  readonly resolved: Map<Tag | Digest, readonly Digest[]>
  /** Manifests of images whose missing parts are to be fetched. */
  readonly incomplete: Set<Digest>
}

export class Pending {
  readonly #journal: Journal
  readonly #onFailure: (error: unknown) => void
  readonly #repositories = new Map<RepositoryName, PendingRepository>()
  readonly #changed = new Set<RepositoryName>()
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()
  #isFailing = false
  /** Settles when what an earlier process left is known. */
  readonly loaded: Promise<void>

  constructor(journal: Journal, onFailure: (error: unknown) => void) {
    this.#journal = journal
    this.#onFailure = onFailure
    this.loaded = this.#load()
  }

  get repositories(): readonly RepositoryName[] {
    return [...this.#repositories.keys()]
  }

  get(repository: RepositoryName): PendingRepository | undefined {
    return this.#repositories.get(repository)
  }

  /** What waits of a repository, to be changed; `changed` has to be called then. */
  open(repository: RepositoryName): PendingRepository {
    const known = this.#repositories.get(repository)
    if (known !== undefined) return known
    const created: PendingRepository = {resolved: new Map(), incomplete: new Set()}
    this.#repositories.set(repository, created)
    const [oldest] = this.#repositories.keys()
    if (this.#repositories.size > MAX_REPOSITORIES && oldest !== undefined) {
      this.#repositories.delete(oldest)
      this.changed(oldest)
    }
    return created
  }

  /** Has the journal written soon. */
  changed(repository: RepositoryName): void {
    const known = this.#repositories.get(repository)
    if (known?.resolved.size === 0 && known.incomplete.size === 0) this.#repositories.delete(repository)
    this.#changed.add(repository)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#save()
    }, SAVE_DELAY_MS).unref()
  }

  /** Writes what has changed. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.loaded
    this.#save()
    await this.#saving
  }

  async #load(): Promise<void> {
    try {
      for (const [repository, {resolved, incomplete}] of await this.#journal.load()) {
        const known = this.open(repository)
        for (const [reference, digests] of resolved) known.resolved.set(reference, [...digests, ...(known.resolved.get(reference) ?? [])])
        for (const digest of incomplete) known.incomplete.add(digest)
      }
    } catch (error) {
      this.#onFailure(error)
    }
  }

  #save(): void {
    const changed = [...this.#changed]
    this.#changed.clear()
    this.#saving = this.#saving.then(async () => {
      for (const repository of changed) {
        const {resolved, incomplete} = this.#repositories.get(repository) ?? {resolved: [], incomplete: []}
        await this.#journal.save(repository, {resolved: [...resolved], incomplete: [...incomplete]}).then(
          () => {
            this.#isFailing = false
          },
          (error: unknown) => {
            // A disk that takes nothing is reported once.
            if (!this.#isFailing) this.#onFailure(error)
            this.#isFailing = true
          },
        )
      }
    })
  }
}
