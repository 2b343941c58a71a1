/** A sweep: reads what a registry has, repository by repository, and repairs an index that has missed events. */
import {HoldfastError, hasCode, interrupted, RegistryError} from '../core/errors.ts'
import {type Clock, SYSTEM_CLOCK} from '../core/retry.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import {parseAttachmentTag} from './attachment-tag.ts'
import type {LearntTag, Purged, SweepIndex, SweepSource} from './sweep-ports.ts'
import {isStale, sortTags} from './tags-to-ask.ts'

/** Requests at once: a sweep has time, and the registry has clients. */
const DEFAULT_CONCURRENCY = 2
/** How long the index may believe what it knows of a tag. */
const DEFAULT_MAX_TAG_AGE_MS = 60 * 60_000
/** Tags learnt before they are written down. */
const SIGHTING_SIZE = 100
/** Repositories that may fail, each for a reason of its own, before the rest is left for another time. */
const MAX_FAILURES = 10
/** What is wrong with one manifest only. */
const UNREADABLE = ['INTEGRITY', 'INVALID_MANIFEST', 'UNSUPPORTED'] as const

export interface SweepOptions {
  /** Repositories, and so requests, at once; 2 when absent. */
  readonly concurrency?: number
  /** How long the index may believe what it knows of a tag, in milliseconds; an hour when absent. */
  readonly maxTagAgeMs?: number
  readonly signal?: AbortSignal
  /** The clock of the index. */
  readonly clock?: Pick<Clock, 'now'>
}

interface SweepCounts {
  /** ISO 8601. */
  readonly startedAt: string
  readonly repositories: number
  /** Tags listed. */
  readonly tags: number
  /** Tags whose manifests the registry was asked for. */
  readonly asked: number
  /** Tags whose manifests it did not give; they stay in the index as they were. */
  readonly unreadable: number
}

/** `complete`: everything was read, and what was not seen is purged. Otherwise what was read is in the index, and nothing was purged. */
export type SweepResult = SweepCounts &
  ({readonly complete: true; readonly purged: Purged} | {readonly complete: false; readonly reason: HoldfastError})

/**
 * Sweeps one registry: lists its repositories and their tags, writes down what it sees as it goes, and purges from the index what it did not see, but only after the catalog and every
 * list of tags were read to their ends. A repository that the catalog names and that the registry then does not know is one that it did not see.
 *
 * It asks what a tag names when the index does not know the tag; when the index learnt it long ago (`maxTagAgeMs`, each tag at its own time); and for all tags of a repository, if not
 * asked in the last minutes, where a new tag shows that events were lost. What it misses: a tag that was moved while its event was lost is shown as it was for up to `maxTagAgeMs`.
 *
 * A fault of the registry (time-out, 5xx, 429) ends the sweep at once; a repository that is refused is passed over. Either way nothing is purged.
 * @returns a partial result for whatever the registry or the index fails with; other errors are thrown.
 */
export async function sweepRegistry(source: SweepSource, index: SweepIndex, options: SweepOptions = {}): Promise<SweepResult> {
  const sweep = new Sweep(source, index, options)
  await sweep.run(options.concurrency ?? DEFAULT_CONCURRENCY)
  return sweep.finish()
}

class Sweep {
  readonly #source: SweepSource
  readonly #index: SweepIndex
  readonly #now: () => number
  readonly #maxTagAgeMs: number
  readonly #end = new AbortController()
  readonly #signal: AbortSignal
  readonly #startedAt: string
  readonly #failures: HoldfastError[] = []
  /** What ended the sweep before its end. */
  #stop: {readonly error: unknown} | undefined
  #repositories = 0
  #tags = 0
  #asked = 0
  #unreadable = 0

  constructor(source: SweepSource, index: SweepIndex, {signal, clock = SYSTEM_CLOCK, maxTagAgeMs = DEFAULT_MAX_TAG_AGE_MS}: SweepOptions) {
    this.#source = source
    this.#index = index
    this.#now = () => clock.now()
    this.#maxTagAgeMs = maxTagAgeMs
    this.#signal = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal])
    this.#startedAt = this.#time()
  }

  async run(concurrency: number): Promise<void> {
    const repositories = this.#source.listRepositories({signal: this.#signal})[Symbol.asyncIterator]()
    await Promise.all(Array.from({length: concurrency}, () => this.#work(repositories)))
    await repositories.return?.()
  }

  async finish(): Promise<SweepResult> {
    const counts: SweepCounts = {
      startedAt: this.#startedAt,
      repositories: this.#repositories,
      tags: this.#tags,
      asked: this.#asked,
      unreadable: this.#unreadable,
    }
    const reason = this.#reason()
    if (reason !== undefined) return {...counts, complete: false, reason}
    try {
      return {...counts, complete: true, purged: await this.#index.purge(this.#startedAt)}
    } catch (error) {
      if (error instanceof HoldfastError) return {...counts, complete: false, reason: error}
      throw error
    }
  }

  #reason(): HoldfastError | undefined {
    if (this.#stop === undefined) return this.#signal.aborted ? interrupted() : this.#failures[0]
    if (this.#stop.error instanceof HoldfastError) return this.#stop.error
    throw this.#stop.error
  }

  async #work(repositories: AsyncIterator<RepositoryName>): Promise<void> {
    while (!this.#signal.aborted) {
      let repository: RepositoryName
      try {
        const {done, value} = await repositories.next()
        if (done) return
        repository = value
      } catch (error) {
        return this.#endWith(error)
      }
      try {
        await this.#sweepRepository(repository)
        this.#repositories++
      } catch (error) {
        if (!isUnknownRepository(error)) this.#fail(error)
      }
    }
  }

  async #sweepRepository(repository: RepositoryName): Promise<void> {
    const listed: Tag[] = []
    for await (const tag of this.#source.listTags(repository, {signal: this.#signal})) listed.push(tag)
    this.#tags += listed.length
    const {unknown, known} = sortTags(listed, await this.#index.knownTags(repository))
    const news = await this.#ask(repository, unknown)
    const rules = {nowMs: this.#now(), maxAgeMs: this.#maxTagAgeMs}
    const stale = new Set(known.filter((tag) => isStale(repository, tag, news > 0, rules)).map(({tag}) => tag))
    const present = known.map(({tag}) => tag).filter((tag) => !stale.has(tag))
    await this.#index.note({repository, seenAt: this.#time(), learnt: [], present})
    await this.#ask(repository, [...stale])
  }

  /** Asks what tags name, writes it down, and answers how many of them there are. */
  async #ask(repository: RepositoryName, tags: readonly Tag[]): Promise<number> {
    let found = 0
    for (let start = 0; start < tags.length; start += SIGHTING_SIZE) {
      const learnt: LearntTag[] = []
      const present: Tag[] = []
      for (const tag of tags.slice(start, start + SIGHTING_SIZE)) {
        const answer = await this.#stat(repository, tag)
        if (answer === 'unreadable') present.push(tag)
        else if (answer !== undefined) learnt.push(answer)
      }
      found += learnt.length
      await this.#index.note({repository, seenAt: this.#time(), learnt, present})
    }
    return found
  }

  /** Undefined for a tag that is gone; a tag that the registry cannot show is still a tag. */
  async #stat(repository: RepositoryName, tag: Tag): Promise<LearntTag | 'unreadable' | undefined> {
    const askedAt = this.#time()
    this.#asked++
    try {
      const found = await this.#source.statManifest(repository, tag, {signal: this.#signal})
      if (found === undefined) return undefined
      const attachment = parseAttachmentTag(tag)
      return {tag, digest: found.digest, mediaType: found.mediaType, ...(attachment === undefined ? {} : {attachment}), askedAt}
    } catch (error) {
      if (!hasCode(error, ...UNREADABLE)) throw error
      this.#unreadable++
      return 'unreadable'
    }
  }

  #fail(error: unknown): void {
    if (error instanceof HoldfastError && !isLasting(error)) {
      this.#failures.push(error)
      if (this.#failures.length < MAX_FAILURES) return
    }
    this.#endWith(error)
  }

  /** The first error decides; those that follow from ending the others do not count. */
  #endWith(error: unknown): void {
    this.#stop ??= {error}
    this.#end.abort()
  }

  #time(): string {
    return new Date(this.#now()).toISOString()
  }
}

/** Faults that the next request would meet as well. */
function isLasting(error: HoldfastError): boolean {
  return error.retryable || hasCode(error, 'INTERRUPTED', 'STORAGE')
}

/** A bare 404 may come from a proxy in between: the registry itself has to say it. */
function isUnknownRepository(error: unknown): boolean {
  return error instanceof RegistryError && error.httpStatus === 404 && error.registryCode === 'NAME_UNKNOWN'
}
