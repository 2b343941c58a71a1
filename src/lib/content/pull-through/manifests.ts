/** Manifests and tags of a mirror. A tag names the last image that is complete here; what it resolved to upstream, by HEAD or by GET, is recorded until that image is. */
import {LRUCache} from 'lru-cache'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {settlesWithin, unlessAborted} from '../../core/settle-within.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {describeManifest, type RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions} from '../store.ts'
import type {MirroredBlobs} from './blobs.ts'
import type {MirrorCache} from './cache.ts'
import type {CacheGuard} from './cache-guard.ts'
import type {MirrorEvent} from './events.ts'
import {isManifestType, judgeManifest} from './judge.ts'
import {type RevalidationRule, revalidationOf} from './revalidation.ts'
import {Running} from './running.ts'
import type {TagMoves} from './tag-moves.ts'
import type {Question, Upstream} from './upstream.ts'

/** What is cached is not held back for long by an upstream that hangs. */
const LOOKUP_PATIENCE_MS = 3_000
const MAX_REMEMBERED = 10_000

export interface MirroredManifestsOptions {
  readonly cache: MirrorCache
  readonly upstream: Upstream
  readonly guard: CacheGuard
  readonly moves: TagMoves
  readonly blobs: MirroredBlobs
  readonly rules: readonly RevalidationRule[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onEvent: (event: MirrorEvent) => void
  /** Told of each manifest that is here from now on. */
  readonly onKept: (repository: RepositoryName, digest: Digest) => void
  /** Ends what the upstream is asked for. */
  readonly end: AbortSignal
}

interface SeenTag {
  /** What the upstream said last. */
  readonly descriptor: Descriptor
  readonly checkedAtMs: number
}

interface ResolvedTag {
  readonly descriptor: Descriptor
  /** The upstream could not say whether it still is so. */
  readonly isStale: boolean
  /** The tag names something here that could be served instead. */
  readonly hasLast: boolean
}

export class MirroredManifests {
  readonly #options: MirroredManifestsOptions
  readonly #lookups = new Running<Descriptor | undefined>()
  readonly #fetches = new Running<RawManifest | undefined>()
  readonly #seen = new LRUCache<string, SeenTag>({max: MAX_REMEMBERED})
  readonly #stale = new WeakSet<object>()

  constructor(options: MirroredManifestsOptions) {
    this.#options = options
  }

  isStale(answer: object): boolean {
    return this.#stale.has(answer)
  }

  /** Fetches nothing: clients look at tags far more often than they pull. */
  async stat(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<Descriptor | undefined> {
    if (isDigest(reference)) return await this.#statDigest(repository, reference, call)
    const found = await unlessAborted(this.#resolve(repository, reference), call.signal)
    return found?.isStale === true ? this.#markStale(found.descriptor) : found?.descriptor
  }

  async read(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<RawManifest | undefined> {
    if (isDigest(reference)) return await this.#byDigest(repository, reference, call)
    const found = await unlessAborted(this.#resolve(repository, reference), call.signal)
    if (found === undefined) return undefined
    const {descriptor, isStale, hasLast} = found
    let failure: unknown
    try {
      const raw = await this.#byDigest(repository, descriptor.digest, call, hasLast ? LOOKUP_PATIENCE_MS : undefined)
      if (raw !== undefined) return isStale ? this.#markStale(raw) : raw
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      failure = error
    }
    // It was removed between the two requests, or is not a manifest: the complete image here is still good.
    const last = await this.#lastComplete(repository, reference)
    const raw =
      last === undefined ? undefined : await this.#options.guard.ask(() => this.#options.cache.readManifest(repository, last.digest, call))
    if (raw !== undefined) {
      this.#options.onEvent({type: 'stale', repository, tag: reference})
      return this.#markStale(raw)
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  async #statDigest(repository: RepositoryName, digest: Digest, call: CallOptions): Promise<Descriptor | undefined> {
    const {cache, guard, upstream, onEvent, end} = this.#options
    const here = await guard.ask(() => cache.statManifest(repository, digest, call))
    onEvent({type: here === undefined ? 'miss' : 'hit', kind: 'manifest'})
    if (here !== undefined) return here
    const key = `${repository}@${digest}`
    const fetching = this.#fetches.get(key)
    if (fetching !== undefined) {
      const raw = await unlessAborted(fetching, call.signal)
      return raw === undefined ? undefined : describeManifest(raw)
    }
    const looked = this.#lookups.ask(key, () =>
      upstream.ask({kind: 'head', repository, what: `@${digest}`}, (source) => source.statManifest(repository, digest, {signal: end})),
    )
    return await unlessAborted(looked, call.signal)
  }

  /** What a digest names never changes: what is here is the answer. */
  async #byDigest(repository: RepositoryName, digest: Digest, call: CallOptions, patienceMs?: number): Promise<RawManifest | undefined> {
    const {cache, guard, onEvent, upstream} = this.#options
    const here = await guard.ask(() => cache.readManifest(repository, digest, call))
    onEvent({type: here === undefined ? 'miss' : 'hit', kind: 'manifest'})
    if (here !== undefined) return here
    const question: Question = {kind: 'manifest', repository, what: `@${digest}`}
    const fetched = this.#fetches.ask(`${repository}@${digest}`, () => this.#fetch(question, repository, digest), patienceMs)
    return await unlessAborted(late(fetched, upstream, question), call.signal)
  }

  async #fetch(question: Question, repository: RepositoryName, digest: Digest): Promise<RawManifest | undefined> {
    const {cache, guard, moves, upstream, onKept, end} = this.#options
    const raw = await upstream.ask(question, async (source) => {
      const found = await source.readManifest(repository, digest, {signal: end})
      if (found !== undefined) judgeManifest(found)
      return found
    })
    if (raw === undefined) return undefined
    await guard.ask(async () => {
      await cache.keepManifest(repository, raw)
      moves.arrived(repository, digest)
      onKept(repository, digest)
      // A shared cache has to be told when an image is complete, by whichever name it was asked for.
      if (cache.isShared) moves.add(repository, digest, digest)
      await moves.settle(repository)
    })
    return raw
  }

  /** What a tag names: what the upstream says, as often as the policy wants it; else the last image that is complete here. */
  async #resolve(repository: RepositoryName, tag: Tag): Promise<ResolvedTag | undefined> {
    const {cache, guard, moves, rules, now, upstream, onEvent} = this.#options
    const key = `${repository}:${tag}`
    const last = await guard.ask(() => cache.statManifest(repository, tag))
    const policy = revalidationOf(rules, repository, tag)
    if (last !== undefined && policy === 'never') return {descriptor: last, isStale: false, hasLast: true}
    const hasLast = last !== undefined || moves.has(repository)
    const seen = this.#seen.get(key)
    if (seen !== undefined && policy !== 'always' && policy !== 'never' && now() - seen.checkedAtMs < policy) {
      const {descriptor} = seen
      if (last?.digest === descriptor.digest || !upstream.isPaused) return {descriptor, isStale: false, hasLast}
    }
    const question: Question = {kind: 'head', repository, what: `:${tag}`}
    try {
      const looked = this.#lookups.ask(key, () => this.#lookUp(question, repository, tag), hasLast ? LOOKUP_PATIENCE_MS : undefined)
      const found = await late(looked, upstream, question)
      if (found !== undefined) return {descriptor: found, isStale: false, hasLast}
      // Deleted there: a mirror that never loses what it has goes on serving it.
      const kept = await this.#lastComplete(repository, tag)
      return kept === undefined ? undefined : {descriptor: kept, isStale: true, hasLast: true}
    } catch (error) {
      const kept = isNoAnswer(error) ? await this.#lastComplete(repository, tag) : undefined
      if (kept === undefined) throw error
      onEvent({type: 'stale', repository, tag})
      return {descriptor: kept, isStale: true, hasLast: true}
    }
  }

  async #lookUp(question: Question, repository: RepositoryName, tag: Tag): Promise<Descriptor | undefined> {
    const {upstream, now, end} = this.#options
    const found = await upstream.ask(question, async (source) => {
      const described = await source.statManifest(repository, tag, {signal: end})
      if (described === undefined || isManifestType(described.mediaType)) return described
      // A login page answers HEAD as well.
      const raw = await source.readManifest(repository, tag, {signal: end})
      if (raw === undefined) return undefined
      judgeManifest(raw)
      return describeManifest(raw)
    })
    if (found === undefined) return undefined
    this.#seen.set(`${repository}:${tag}`, {descriptor: found, checkedAtMs: now()})
    await this.#record(repository, tag, found.digest)
    return found
  }

  /** Has the tag follow the upstream as soon as what it names is complete here, however its parts come. */
  async #record(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const {cache, guard, moves, onEvent} = this.#options
    await guard.ask(async () => {
      if ((await cache.statManifest(repository, tag))?.digest === digest) return moves.drop(repository, tag)
      moves.add(repository, tag, digest)
      // Of an image that is not here there is nothing to do yet.
      moves.settle(repository).catch((error: unknown) => onEvent({type: 'failure', error}))
    })
  }

  /** What the tag named when it was last complete here; what was just pulled is on its way to the disk, and waited for. */
  async #lastComplete(repository: RepositoryName, tag: Tag): Promise<Descriptor | undefined> {
    const {blobs, cache, guard, moves} = this.#options
    if (moves.has(repository)) {
      await settlesWithin(blobs.allFilled(repository), LOOKUP_PATIENCE_MS)
      await guard.ask(() => moves.settle(repository))
    }
    return await guard.ask(() => cache.statManifest(repository, tag))
  }

  /** An answer of its own, since the same is given to clients that ask by digest. */
  #markStale<Answer extends object>(answer: Answer): Answer {
    const marked = {...answer}
    this.#stale.add(marked)
    return marked
  }
}

/** An answer that comes too late is the upstream's failure, of this question alone. */
async function late<Answer>(answer: Promise<Answer>, upstream: Upstream, question: Question): Promise<Answer> {
  try {
    return await answer
  } catch (error) {
    throw hasCode(error, 'TIMEOUT') ? upstream.refuse(question, error) : error
  }
}

/** The upstream did not answer, refuses this mirror, or gave an invalid answer. In all cases only the cache is left. */
export function isNoAnswer(error: unknown): boolean {
  return error instanceof HoldfastError && !hasCode(error, 'INTERRUPTED', 'STORAGE', 'INTERNAL')
}
