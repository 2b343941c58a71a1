/** Blobs of a mirror: read from what it has, or from the file that grows while the upstream sends them. */
import {LRUCache} from 'lru-cache'
import type {ByteSink} from '../../core/byte-sink.ts'
import {hasCode} from '../../core/errors.ts'
import {unlessAborted} from '../../core/settle-within.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {CallOptions, ReadBlobOptions, SourceStore} from '../store.ts'
import type {MirrorCache} from './cache.ts'
import {type CacheGuard, isCacheFailure} from './cache-guard.ts'
import type {MirrorEvent} from './events.ts'
import {BlobFill} from './fill.ts'
import {type Upstream, UpstreamUnavailableError} from './upstream.ts'

/** A size that the upstream has told is believed for so long, so that many who ask at once ask once. */
const SIZE_LIFE_MS = 60_000
const MAX_REMEMBERED = 10_000

export interface MirroredBlobsOptions {
  readonly cache: MirrorCache
  readonly upstream: Upstream
  readonly guard: CacheGuard
  readonly onEvent: (event: MirrorEvent) => void
  /** Told when a blob is here that was not. */
  readonly onFilled: (repository: RepositoryName) => Promise<void>
  /** Ends what the upstream is asked for. */
  readonly end: AbortSignal
}

type ReadBlob = Parameters<SourceStore['readBlob']>

export class MirroredBlobs {
  readonly #options: MirroredBlobsOptions
  readonly #fills = new Map<string, BlobFill>()
  /** How many fills had succeeded when that of a blob did. */
  readonly #filled = new LRUCache<string, number>({max: MAX_REMEMBERED})
  #fillCount = 0
  readonly #sizes = new LRUCache<string, Promise<number | undefined>>({max: MAX_REMEMBERED, ttl: SIZE_LIFE_MS})

  constructor(options: MirroredBlobsOptions) {
    this.#options = options
  }

  /** Whether a blob is on its way from the upstream. */
  get isBusy(): boolean {
    return this.#fills.size > 0
  }

  /** Settles when what is on its way is here, or is not to come; of one repository when it is named. */
  async allFilled(repository?: RepositoryName): Promise<void> {
    const fills = [...this.#fills].filter(([key]) => repository === undefined || key.startsWith(`${repository}@`))
    await Promise.allSettled(fills.map(([, {done}]) => done))
  }

  async stat(repository: RepositoryName, digest: Digest, call?: CallOptions): Promise<number | undefined> {
    const {cache, upstream, guard, end} = this.#options
    const here = await guard.ask(() => cache.statBlob(repository, digest, call))
    if (here !== undefined) return here
    const key = keyOf(repository, digest)
    const fill = this.#fills.get(key)
    if (fill !== undefined) return fill.blob.size
    const known = this.#sizes.get(key)
    if (known !== undefined) return await unlessAborted(known, call?.signal)
    const size = upstream.ask({kind: 'head', repository, what: `@${digest}`}, (source) =>
      source.statBlob(repository, digest, {signal: end}),
    )
    this.#sizes.set(key, size)
    size.then(
      (found) => found === undefined && this.#sizes.delete(key),
      () => this.#sizes.delete(key),
    )
    return await unlessAborted(size, call?.signal)
  }

  async read(...[repository, blob, sink, call = {}]: ReadBlob): Promise<void> {
    const {cache, guard, onEvent} = this.#options
    if (await this.#isHere(repository, blob.digest, call)) {
      onEvent({type: 'hit', kind: 'blob'})
      return await cache.readBlob(repository, blob, sink, call)
    }
    onEvent({type: 'miss', kind: 'blob'})
    if (guard.isClosed) return await this.#pass(repository, blob, sink, call)
    await this.#readBehind(this.fill(repository, blob), repository, sink, call)
  }

  async #isHere(repository: RepositoryName, digest: Digest, call: CallOptions): Promise<boolean> {
    const {cache, guard} = this.#options
    const before = this.#fillCount
    if ((await guard.ask(() => cache.statBlob(repository, digest, call))) !== undefined) return true
    // It came while the cache was asked.
    return (this.#filled.get(keyOf(repository, digest)) ?? 0) > before
  }

  async #readBehind(fill: BlobFill, repository: RepositoryName, sink: ByteSink, call: ReadBlobOptions): Promise<void> {
    const {blob} = fill
    const {position, failure} = await fill.follow(sink, call)
    const last = Math.min(call.range?.end ?? blob.size - 1, blob.size - 1)
    if (position > last) return
    if (isOfUpstream(failure)) throw failure
    const rest = position === 0 ? call : {...call, range: {...call.range, start: position}}
    if (failure === undefined) await this.#options.cache.readBlob(repository, blob, sink, rest)
    // It could not be kept: the client still gets it.
    else await this.#pass(repository, blob, sink, rest)
  }

  /** Brings a blob in, once at a time. */
  fill(repository: RepositoryName, blob: BlobDescriptor): BlobFill {
    const {cache, guard, onEvent, onFilled, end} = this.#options
    const key = keyOf(repository, blob.digest)
    const running = this.#fills.get(key)
    if (running !== undefined) return running
    let isUpstreamToBlame = false
    let isFetched = false
    const fill = new BlobFill(blob, (file) =>
      cache.fillBlob(
        repository,
        blob,
        async (sink, start, signal) => {
          isFetched = true
          try {
            const ends = signal === undefined ? end : AbortSignal.any([signal, end])
            await this.#pass(repository, blob, sink, start === 0 ? {signal: ends} : {signal: ends, range: {start}})
          } catch (error) {
            isUpstreamToBlame = signal?.aborted !== true && !end.aborted
            throw error
          }
        },
        file,
        end,
      ),
    )
    this.#fills.set(key, fill)
    fill.done
      .then(
        async () => {
          this.#filled.set(key, ++this.#fillCount)
          // Of another repository of this mirror otherwise.
          onEvent({type: 'filled', repository, digest: blob.digest, bytes: isFetched ? blob.size : 0})
          await onFilled(repository)
        },
        (error: unknown) => {
          if (end.aborted) return
          if (isCacheFailure(error) && !isUpstreamToBlame) guard.note(error)
          else onEvent({type: 'failure', error})
        },
      )
      .catch((error: unknown) => onEvent({type: 'failure', error}))
      .finally(() => this.#fills.delete(key))
    return fill
  }

  /** From the upstream into the sink, and kept nowhere by itself. */
  async #pass(...[repository, blob, sink, call]: ReadBlob): Promise<void> {
    await this.#options.upstream.ask({kind: 'blob', repository, what: `@${blob.digest}`}, async (source, answered) => {
      let isAnswered = false
      const watched: ByteSink = {
        write(chunk, release) {
          if (!isAnswered) answered()
          isAnswered = true
          return sink.write(chunk, release)
        },
      }
      await source.readBlob(repository, blob, watched, call)
    })
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`
}

/** Asked again, the upstream would say the same. */
function isOfUpstream(error: unknown): boolean {
  return error instanceof UpstreamUnavailableError || hasCode(error, 'BLOB_NOT_FOUND', 'INTEGRITY', 'UNAUTHENTICATED', 'DENIED')
}
