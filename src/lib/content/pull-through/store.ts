/**
 * The content store that is a mirror: reads from a store of its own, fills it from an upstream on a miss, and never needs the upstream for what it has.
 *
 * Invariants:
 * - what a digest names is fetched upstream once, and never again; a look at a tag or digest fetches nothing;
 * - a tag of the mirror names the last image that is complete here; it moves when the new one is, so that a look at a moved tag loses nothing;
 * - an upstream that is gone, for a moment or for days, takes nothing away; what it answers is judged before it is believed.
 */
import {hasCode, interrupted} from '../../core/errors.ts'
import {settlesWithin} from '../../core/settle-within.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import type {Digest} from '../../oci/digest.ts'
import type {RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions, RepositoryLister, SourceStore} from '../store.ts'
import {MirroredBlobs} from './blobs.ts'
import type {Damage, MirrorCache} from './cache.ts'
import {CacheGuard} from './cache-guard.ts'
import {Completion} from './completion.ts'
import type {MirrorEvent} from './events.ts'
import {Healing} from './healing.ts'
import {isNoAnswer, MirroredManifests} from './manifests.ts'
import {Pending} from './pending.ts'
import type {RevalidationRule} from './revalidation.ts'
import {TagMoves} from './tag-moves.ts'
import type {Upstream} from './upstream.ts'

/** How long what was given up may take to end. */
const GIVE_UP_MS = 3_000

export interface PullThroughOptions {
  /** What the mirror has. */
  readonly cache: MirrorCache
  readonly upstream: Upstream
  readonly rules: readonly RevalidationRule[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onEvent: (event: MirrorEvent) => void
  /** Whether the parts of an image that no client asked for are fetched in the background; they are unless said. */
  readonly completes?: boolean | undefined
  /** How long after a client got a manifest they are, in milliseconds. */
  readonly completionDelayMs?: number | undefined
  /** How long after a damaged file could not be fetched it is asked for again, in milliseconds. */
  readonly healWaitMs?: number | undefined
}

/** What clients of a mirror see. */
export interface PullThroughStore extends SourceStore, RepositoryLister {
  /** Why what was just answered may be out of date; undefined when it is not. */
  warningOf(answer: object): string | undefined
  /** Lets what is on its way from the upstream finish for `graceMs`, then gives it up; the store must not be used any more. */
  close(options: {readonly graceMs: number}): Promise<void>
}

export function createPullThroughStore(options: PullThroughOptions): PullThroughStore {
  return new CachedUpstream(options)
}

class CachedUpstream implements PullThroughStore {
  readonly #options: PullThroughOptions
  readonly #pending: Pending
  readonly #moves: TagMoves
  readonly #blobs: MirroredBlobs
  readonly #manifests: MirroredManifests
  readonly #completion: Completion | undefined
  readonly #healing: Healing
  /** Ends what the upstream is asked for, which is asked for several clients at once and for none of them alone. */
  readonly #end = new AbortController()

  constructor(options: PullThroughOptions) {
    this.#options = options
    const {cache, upstream, rules, now, onEvent, completes = true, completionDelayMs: delayMs} = options
    const onFailure = (error: unknown): void => onEvent({type: 'failure', error})
    const guard = new CacheGuard({now, hasAlternative: () => !upstream.isPaused, onFailure})
    const end = this.#end.signal
    const pending = new Pending(cache.journal, onFailure)
    const moves = new TagMoves({
      cache,
      pending,
      onMoved: (repository, tag, digest) => onEvent({type: 'moved', repository, tag, digest}),
      onFailure,
    })
    const blobs = new MirroredBlobs({cache, upstream, guard, onEvent, onFilled: (repository) => moves.settle(repository), end})
    this.#pending = pending
    this.#moves = moves
    this.#blobs = blobs
    const completion = completes ? new Completion({cache, upstream, blobs, pending, onEvent, delayMs}) : undefined
    const onKept = (repository: RepositoryName, digest: Digest): void => completion?.kept(repository, digest)
    this.#manifests = new MirroredManifests({cache, upstream, guard, moves, blobs, rules, now, onEvent, onKept, end})
    this.#completion = completion
    this.#healing = new Healing({fetch: (damage) => this.#fetchAgain(damage), onFailure, waitMs: options.healWaitMs})
    cache.watchDamage?.((damage) => {
      onEvent({type: 'damaged', ...damage})
      this.#healing.heal(damage)
    })
    moves.resume().catch(onFailure)
    this.#completion?.resume().catch(onFailure)
  }

  warningOf(answer: object): string | undefined {
    return this.#manifests.isStale(answer) ? `110 holdfast "the upstream ${this.#options.upstream.name} could not be asked"` : undefined
  }

  /** Fetches what was taken out of use, unless a client has had it fetched already. */
  async #fetchAgain({kind, repository, digest}: Damage): Promise<boolean> {
    try {
      if (kind === 'manifest') await this.#manifests.read(repository, digest)
      else {
        const size = await this.#blobs.stat(repository, digest)
        if (size !== undefined) await this.#blobs.fill(repository, {digest, size}).done
      }
      return true
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      return false
    }
  }

  async close({graceMs}: {readonly graceMs: number}): Promise<void> {
    this.#healing.close()
    const finished = Promise.all([this.#blobs.allFilled(), this.#completion?.close()])
      .then(() => this.#moves.close())
      .then(() => this.#pending.close())
    if (await settlesWithin(finished, graceMs)) return
    this.#end.abort(interrupted())
    await settlesWithin(finished, GIVE_UP_MS)
  }

  /** What is here: no client lists a whole upstream. */
  listRepositories(options?: Parameters<RepositoryLister['listRepositories']>[0]): AsyncIterable<RepositoryName> {
    return this.#options.cache.listRepositories(options)
  }

  statBlob(repository: RepositoryName, digest: Digest, call?: CallOptions): Promise<number | undefined> {
    return this.#blobs.stat(repository, digest, call)
  }

  readBlob(...call: Parameters<SourceStore['readBlob']>): Promise<void> {
    return this.#blobs.read(...call)
  }

  statManifest(repository: RepositoryName, reference: Tag | Digest, call?: CallOptions): Promise<Descriptor | undefined> {
    return this.#manifests.stat(repository, reference, call)
  }

  async readManifest(repository: RepositoryName, reference: Tag | Digest, call?: CallOptions): Promise<RawManifest | undefined> {
    const raw = await this.#manifests.read(repository, reference, call)
    if (raw !== undefined) this.#completion?.wanted(repository, raw.digest)
    return raw
  }

  async *listTags(...[repository, call = {}]: Parameters<SourceStore['listTags']>): AsyncGenerator<Tag> {
    const {cache, upstream} = this.#options
    let tags: readonly Tag[]
    try {
      tags = await upstream.ask({kind: 'list', repository, what: ''}, (source) => collect(source.listTags(repository, call)))
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      tags = await collect(cache.listTags(repository, call))
      if (tags.length === 0 && hasCode(error, 'REPOSITORY_NOT_FOUND')) throw error
    }
    yield* tags
  }

  async listReferrers(...[repository, subject, call]: Parameters<SourceStore['listReferrers']>): Promise<readonly Descriptor[]> {
    const {cache, upstream} = this.#options
    try {
      return await upstream.ask({kind: 'list', repository, what: `@${subject}`}, (source) =>
        source.listReferrers(repository, subject, call),
      )
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      return await cache.listReferrers(repository, subject, call)
    }
  }
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
