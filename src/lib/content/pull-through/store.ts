/**
 * The content store that is a mirror: reads from a store of its own, fills it from an upstream on a miss, and never needs the upstream for what it has.
 *
 * Invariants:
 * - what a digest names is asked for upstream once, and never again;
 * - a tag of the mirror names the last image that is whole here; it moves when the new one is, so that a look at a moved tag loses nothing;
 * - an upstream that is gone, for a moment or for days, takes nothing away.
 */
import {LRUCache} from 'lru-cache'
import {hasCode, interrupted} from '../../core/errors.ts'
import {settlesWithin, unlessAborted} from '../../core/settle-within.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {describeManifest, type RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions, ReadBlobOptions, RepositoryLister, SourceStore} from '../store.ts'
import type {MirrorCache} from './cache.ts'
import {CacheGuard, isCacheFailure} from './cache-guard.ts'
import {BlobFill} from './fill.ts'
import {type RevalidationRule, revalidationOf} from './revalidation.ts'
import {TagMoves} from './tag-moves.ts'
import {type Upstream, UpstreamUnavailableError} from './upstream.ts'

/** A size that the upstream has told is believed for so long, so that many who ask at once ask once. */
const SIZE_LIFE_MS = 60_000
/** What is cached is not held back for long by an upstream that hangs. */
const LOOKUP_PATIENCE_MS = 3_000
const MAX_REMEMBERED = 10_000
/** How long what was given up may take to end. */
const GIVE_UP_MS = 3_000

/** How a question was answered; what a mirror is worth. */
export type MirrorEvent =
  | {readonly type: 'hit' | 'miss'; readonly kind: 'manifest' | 'blob'}
  /** Served though the upstream could not be asked whether it still is so. */
  | {readonly type: 'stale'; readonly repository: string; readonly tag: string}
  | {readonly type: 'filled'; readonly repository: string; readonly digest: string; readonly bytes: number}
  | {readonly type: 'moved'; readonly repository: string; readonly tag: string; readonly digest: string}
  | {readonly type: 'failure'; readonly error: unknown}

export interface PullThroughOptions {
  /** What the mirror has. */
  readonly cache: MirrorCache
  readonly upstream: Upstream
  readonly rules: readonly RevalidationRule[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onEvent: (event: MirrorEvent) => void
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

interface SeenTag {
  /** What the upstream said last. */
  readonly digest: Digest
  readonly checkedAtMs: number
}

interface ResolvedTag {
  readonly digest: Digest
  /** Nobody could say whether it still is so. */
  readonly isStale: boolean
  /** The tag names it here, too. */
  readonly isSettled: boolean
  /** What the upstream said just now, of an image that the tag does not name here yet. */
  readonly descriptor?: Descriptor
}

class CachedUpstream implements PullThroughStore {
  readonly #options: PullThroughOptions
  readonly #fills = new Map<string, BlobFill>()
  readonly #sizes = new LRUCache<string, Promise<number | undefined>>({max: MAX_REMEMBERED, ttl: SIZE_LIFE_MS})
  readonly #lookups = new Map<string, Promise<Descriptor | undefined>>()
  readonly #fetches = new Map<string, Promise<RawManifest | undefined>>()
  readonly #seen = new LRUCache<string, SeenTag>({max: MAX_REMEMBERED})
  readonly #moves: TagMoves
  readonly #guard: CacheGuard
  readonly #stale = new WeakSet<object>()
  /** Ends what the upstream is asked for, which is asked for several clients at once and for none of them alone. */
  readonly #end = new AbortController()

  constructor(options: PullThroughOptions) {
    this.#options = options
    const {cache, upstream, now, onEvent} = options
    const onFailure = (error: unknown): void => onEvent({type: 'failure', error})
    this.#moves = new TagMoves({cache, onMoved: (repository, tag, digest) => onEvent({type: 'moved', repository, tag, digest}), onFailure})
    this.#guard = new CacheGuard({now, hasAlternative: () => !upstream.isPaused, onFailure})
  }

  warningOf(answer: object): string | undefined {
    return this.#stale.has(answer) ? `110 holdfast "the upstream ${this.#options.upstream.name} could not be asked"` : undefined
  }

  async close({graceMs}: {readonly graceMs: number}): Promise<void> {
    const finished = Promise.allSettled([...this.#fills.values()].map(({done}) => done)).then(() => this.#moves.close())
    if (await settlesWithin(finished, graceMs)) return
    this.#end.abort(interrupted())
    await settlesWithin(finished, GIVE_UP_MS)
  }

  get #upstreamCall(): CallOptions {
    return {signal: this.#end.signal}
  }

  /** What is here: nobody lists a whole upstream. */
  listRepositories(options?: Parameters<RepositoryLister['listRepositories']>[0]): AsyncIterable<RepositoryName> {
    return this.#options.cache.listRepositories(options)
  }

  async statBlob(repository: RepositoryName, digest: Digest, call?: CallOptions): Promise<number | undefined> {
    const {cache, upstream} = this.#options
    const here = await this.#guard.ask(() => cache.statBlob(repository, digest, call))
    if (here !== undefined) return here
    const key = `${repository}@${digest}`
    const fill = this.#fills.get(key)
    if (fill !== undefined) return fill.blob.size
    const known = this.#sizes.get(key)
    if (known !== undefined) return await unlessAborted(known, call?.signal)
    const size = upstream.ask(`@${digest}`, repository, (source) => source.statBlob(repository, digest, this.#upstreamCall))
    this.#sizes.set(key, size)
    size.then(
      (found) => found === undefined && this.#sizes.delete(key),
      () => this.#sizes.delete(key),
    )
    return await unlessAborted(size, call?.signal)
  }

  async readBlob(...[repository, blob, sink, call = {}]: Parameters<SourceStore['readBlob']>): Promise<void> {
    const {cache, onEvent} = this.#options
    if ((await this.#guard.ask(() => cache.statBlob(repository, blob.digest, call))) !== undefined) {
      onEvent({type: 'hit', kind: 'blob'})
      return await cache.readBlob(repository, blob, sink, call)
    }
    onEvent({type: 'miss', kind: 'blob'})
    if (this.#guard.isClosed) return await this.#pass(repository, blob, sink, call)
    const fill = this.#fill(repository, blob)
    if (call.range !== undefined) {
      const failure = await unlessAborted(fill.done, call.signal).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (call.signal?.aborted === true) return
      if (failure === undefined) return await cache.readBlob(repository, blob, sink, call)
      if (isOfUpstream(failure)) throw failure
      return await this.#pass(repository, blob, sink, call)
    }
    const {position, failure} = await fill.follow(sink, call.signal)
    if (isOfUpstream(failure)) throw failure
    if (position === blob.size || call.signal?.aborted === true) return
    if (failure === undefined) await cache.readBlob(repository, blob, sink, restOf(call, position))
    // It could not be kept: the client still gets it.
    else await this.#pass(repository, blob, sink, restOf(call, position))
  }

  async statManifest(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<Descriptor | undefined> {
    if (isDigest(reference)) {
      const raw = await this.#byDigest(repository, reference, call)
      return raw === undefined ? undefined : describeManifest(raw)
    }
    const {cache} = this.#options
    const answer = await unlessAborted(this.#resolve(repository, reference), call.signal)
    if (answer === undefined) return undefined
    // A look at a tag that has moved fetches nothing, and loses nothing.
    if (answer.descriptor !== undefined) return answer.descriptor
    const found = await this.#guard.ask(() => cache.statManifest(repository, answer.digest, call))
    return found !== undefined && answer.isStale ? this.#markStale(found) : found
  }

  async readManifest(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<RawManifest | undefined> {
    if (isDigest(reference)) return await this.#byDigest(repository, reference, call)
    const {cache} = this.#options
    const answer = await unlessAborted(this.#resolve(repository, reference), call.signal)
    if (answer === undefined) return undefined
    const {digest, isStale, isSettled} = answer
    try {
      const raw = await this.#byDigest(repository, digest, call)
      if (raw === undefined) return undefined
      if (isStale) return this.#markStale(raw)
      if (!isSettled) await this.#follow(repository, reference, digest)
      return raw
    } catch (error) {
      // It went away between the two questions: what is whole here is still good.
      const last = error instanceof UpstreamUnavailableError ? await this.#lastWhole(repository, reference) : undefined
      const whole = last === undefined ? undefined : await this.#guard.ask(() => cache.readManifest(repository, last.digest, call))
      if (whole === undefined) throw error
      this.#options.onEvent({type: 'stale', repository, tag: reference})
      return this.#markStale(whole)
    }
  }

  async *listTags(...[repository, call = {}]: Parameters<SourceStore['listTags']>): AsyncGenerator<Tag> {
    const {cache, upstream} = this.#options
    let tags: readonly Tag[]
    try {
      tags = await upstream.ask('', repository, (source) => collect(source.listTags(repository, call)))
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      tags = await collect(cache.listTags(repository, call))
    }
    yield* tags
  }

  async listReferrers(...[repository, subject, call]: Parameters<SourceStore['listReferrers']>): Promise<readonly Descriptor[]> {
    const {cache, upstream} = this.#options
    try {
      return await upstream.ask(`@${subject}`, repository, (source) => source.listReferrers(repository, subject, call))
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      return await cache.listReferrers(repository, subject, call)
    }
  }

  /** What a digest names never changes: what is here is the answer. */
  async #byDigest(repository: RepositoryName, digest: Digest, call: CallOptions): Promise<RawManifest | undefined> {
    const {cache, onEvent, upstream} = this.#options
    const here = await this.#guard.ask(() => cache.readManifest(repository, digest, call))
    onEvent({type: here === undefined ? 'miss' : 'hit', kind: 'manifest'})
    if (here !== undefined) return here
    const fetched = once(this.#fetches, `${repository}@${digest}`, async () => {
      const raw = await upstream.ask(`@${digest}`, repository, (source) => source.readManifest(repository, digest, this.#upstreamCall))
      if (raw !== undefined) {
        await this.#guard.ask(async () => {
          await cache.keepManifest(repository, raw)
          // A shared cache has to be told when an image is whole, by whichever name it was asked for.
          if (cache.isShared) this.#moves.add(repository, digest, digest)
          await this.#moves.settle(repository)
        })
      }
      return raw
    })
    return await unlessAborted(fetched, call.signal)
  }

  /** What a tag names: what the upstream says, as often as the policy wants it; else the last image that is whole here. */
  async #resolve(repository: RepositoryName, tag: Tag): Promise<ResolvedTag | undefined> {
    const {cache, rules, now, upstream} = this.#options
    const key = `${repository}:${tag}`
    const whole = await this.#guard.ask(() => cache.statManifest(repository, tag))
    const policy = revalidationOf(rules, repository, tag)
    const seen = this.#seen.get(key)
    if (whole !== undefined && policy === 'never') return {digest: whole.digest, isStale: false, isSettled: true}
    if (seen !== undefined && policy !== 'always' && policy !== 'never' && now() - seen.checkedAtMs < policy) {
      const isSettled = whole?.digest === seen.digest
      if (isSettled || !upstream.isPaused) return {digest: seen.digest, isStale: false, isSettled}
    }
    try {
      const isCached = whole !== undefined || this.#moves.has(repository)
      const patience = isCached ? {patienceMs: LOOKUP_PATIENCE_MS} : {}
      const found = await once(this.#lookups, key, () =>
        upstream.ask(`:${tag}`, repository, (source) => source.statManifest(repository, tag, this.#upstreamCall), patience),
      )
      if (found === undefined) {
        // Deleted there: a mirror that never loses what it has goes on serving it.
        const last = await this.#lastWhole(repository, tag)
        return last === undefined ? undefined : {digest: last.digest, isStale: true, isSettled: true}
      }
      this.#seen.set(key, {digest: found.digest, checkedAtMs: now()})
      return found.digest === whole?.digest
        ? {digest: found.digest, isStale: false, isSettled: true}
        : {digest: found.digest, isStale: false, isSettled: false, descriptor: found}
    } catch (error) {
      const last = isNoAnswer(error) ? await this.#lastWhole(repository, tag) : undefined
      if (last === undefined) throw error
      this.#options.onEvent({type: 'stale', repository, tag})
      return {digest: last.digest, isStale: true, isSettled: true}
    }
  }

  /** What the tag named when it was last whole here; what was just pulled is on its way to the disk, and waited for. */
  async #lastWhole(repository: RepositoryName, tag: Tag): Promise<Descriptor | undefined> {
    if (this.#moves.has(repository)) {
      const fills = [...this.#fills].filter(([key]) => key.startsWith(`${repository}@`))
      await Promise.allSettled(fills.map(([, {done}]) => done))
      await this.#guard.ask(() => this.#moves.settle(repository))
    }
    return await this.#guard.ask(() => this.#options.cache.statManifest(repository, tag))
  }

  /** From the upstream to the client, and kept nowhere. */
  async #pass(...[repository, blob, sink, call]: Parameters<SourceStore['readBlob']>): Promise<void> {
    const {upstream} = this.#options
    await upstream.ask(`@${blob.digest}`, repository, (source) => source.readBlob(repository, blob, sink, call))
  }

  #fill(repository: RepositoryName, blob: Parameters<SourceStore['readBlob']>[1]): BlobFill {
    const {cache, onEvent} = this.#options
    const key = `${repository}@${blob.digest}`
    const running = this.#fills.get(key)
    if (running !== undefined) return running
    let isUpstreamToBlame = false
    const fill = new BlobFill(
      blob,
      async (sink, start, signal) => {
        try {
          const ends = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal])
          await this.#pass(repository, blob, sink, restOf({signal: ends}, start))
        } catch (error) {
          isUpstreamToBlame = signal?.aborted !== true && !this.#end.signal.aborted
          throw error
        }
      },
      (source) => cache.writeBlob(repository, blob, source, {verify: true, signal: this.#end.signal}),
    )
    this.#fills.set(key, fill)
    fill.done
      .then(
        async () => {
          onEvent({type: 'filled', repository, digest: blob.digest, bytes: blob.size})
          await this.#moves.settle(repository)
        },
        (error: unknown) => {
          if (this.#end.signal.aborted) return
          if (isCacheFailure(error) && !isUpstreamToBlame) this.#guard.note(error)
          else onEvent({type: 'failure', error})
        },
      )
      .catch((error: unknown) => onEvent({type: 'failure', error}))
      .finally(() => this.#fills.delete(key))
    return fill
  }

  /** Makes a tag follow the upstream as soon as what it names is whole here. */
  async #follow(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const {cache} = this.#options
    await this.#guard.ask(async () => {
      if ((await cache.statManifest(repository, tag))?.digest === digest) return
      this.#moves.add(repository, tag, digest)
      await this.#moves.settle(repository)
    })
  }

  /** An answer of its own, since the same is given to whoever asks by digest. */
  #markStale<Answer extends object>(answer: Answer): Answer {
    const marked = {...answer}
    this.#stale.add(marked)
    return marked
  }
}

/** The upstream did not answer, or refuses this mirror: in both cases what is here is what there is. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof UpstreamUnavailableError || hasCode(error, 'UNAUTHENTICATED', 'DENIED', 'INTEGRITY')
}

/** Asked again, it would say the same. */
function isOfUpstream(error: unknown): boolean {
  return error instanceof UpstreamUnavailableError || hasCode(error, 'BLOB_NOT_FOUND', 'INTEGRITY')
}

function restOf(call: ReadBlobOptions, start: number): ReadBlobOptions {
  return start === 0 ? call : {...call, range: {start}}
}

/** Several who ask for the same at once ask once. */
function once<Answer>(running: Map<string, Promise<Answer>>, key: string, ask: () => Promise<Answer>): Promise<Answer> {
  const known = running.get(key)
  if (known !== undefined) return known
  const asked = ask().finally(() => running.delete(key))
  running.set(key, asked)
  return asked
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
