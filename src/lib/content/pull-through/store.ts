/**
 * The content store that is a mirror: reads from a store of its own, fills it from an upstream on a miss, and never needs the upstream for what it has.
 *
 * Invariants:
 * - what a digest names is asked for upstream once, and never again;
 * - a tag of the mirror names the last image that is whole here; it moves when the new one is, so that a look at a moved tag loses nothing;
 * - an upstream that is gone, for a moment or for days, takes nothing away.
 */
import {hasCode} from '../../core/errors.ts'
import type {Descriptor} from '../../oci/descriptor.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {describeManifest, parseManifest, type RawManifest} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {CallOptions, ContentStore, ReadBlobOptions} from '../store.ts'
import {BlobFill} from './fill.ts'
import {type RevalidationRule, revalidationOf} from './revalidation.ts'
import {type Upstream, UpstreamUnavailableError} from './upstream.ts'

/** How deep indexes may name indexes. */
const MAX_DEPTH = 4
/** A size that the upstream has told is believed for so long, so that many who ask at once ask once. */
const SIZE_LIFE_MS = 60_000
/** What is cached is not held back for long by an upstream that hangs. */
const LOOKUP_PATIENCE_MS = 3_000
const MAX_REMEMBERED = 10_000

/** How a question was answered; what a mirror is worth. */
export type MirrorEvent =
  | {readonly type: 'hit' | 'miss'; readonly kind: 'manifest' | 'blob'}
  /** Served though the upstream could not be asked whether it still is so. */
  | {readonly type: 'stale'; readonly repository: string; readonly tag: string}
  | {readonly type: 'filled'; readonly repository: string; readonly digest: string; readonly bytes: number}
  | {readonly type: 'moved'; readonly repository: string; readonly tag: string; readonly digest: string}
  | {readonly type: 'failure'; readonly error: unknown}

export interface PullThroughOptions<Store extends ContentStore> {
  /** What the mirror has. */
  readonly store: Store
  /** Writes a manifest of which parts may still be missing. */
  readonly writeSparse: (repository: RepositoryName, reference: Tag | Digest, manifest: RawManifest) => Promise<void>
  readonly upstream: Upstream
  readonly rules: readonly RevalidationRule[]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onEvent: (event: MirrorEvent) => void
}

/** What a mirror adds to a store. */
export interface PullThrough {
  /** Why what was just answered may be out of date; undefined when it is not. */
  warningOf(answer: object): string | undefined
  /** Settles when nothing is on its way from the upstream any more. */
  settled(): Promise<void>
}

type Reading = Pick<ContentStore, 'statBlob' | 'readBlob' | 'statManifest' | 'readManifest' | 'listTags' | 'listReferrers'>

/** The same store with every reading answered by mirror and upstream; what changes it goes to the mirror's store as before. */
export function createPullThroughStore<Store extends ContentStore>(options: PullThroughOptions<Store>): Store & PullThrough {
  const reading = new PullThroughReading(options)
  const overrides: Reading & PullThrough = {
    statBlob: (repository, digest, call) => reading.statBlob(repository, digest, call),
    readBlob: (repository, blob, sink, call) => reading.readBlob(repository, blob, sink, call),
    statManifest: (repository, reference, call) => reading.statManifest(repository, reference, call),
    readManifest: (repository, reference, call) => reading.readManifest(repository, reference, call),
    listTags: (repository, call) => reading.listTags(repository, call),
    listReferrers: (repository, subject, call) => reading.listReferrers(repository, subject, call),
    warningOf: (answer) => reading.warningOf(answer),
    settled: () => reading.settled(),
  }
  return {...options.store, ...overrides}
}

interface SeenTag {
  /** What the upstream said last. */
  readonly digest: Digest
  readonly checkedAtMs: number
}

class PullThroughReading implements Reading, PullThrough {
  readonly #options: PullThroughOptions<ContentStore>
  readonly #fills = new Map<string, BlobFill>()
  readonly #sizes = new Map<string, {readonly size: Promise<number | undefined>; readonly at: number}>()
  readonly #lookups = new Map<string, Promise<Descriptor | undefined>>()
  readonly #fetches = new Map<string, Promise<RawManifest | undefined>>()
  readonly #seen = new Map<string, SeenTag>()
  /** Tags whose new image is not whole yet, by repository; of several images that a tag has named the newest is last. */
  readonly #moving = new Map<RepositoryName, Map<Tag, readonly Digest[]>>()
  readonly #moves = new Map<RepositoryName, Promise<void>>()
  readonly #stale = new WeakSet<object>()

  constructor(options: PullThroughOptions<ContentStore>) {
    this.#options = options
  }

  warningOf(answer: object): string | undefined {
    return this.#stale.has(answer) ? `110 holdfast "the upstream ${this.#options.upstream.name} could not be asked"` : undefined
  }

  async settled(): Promise<void> {
    await Promise.allSettled([...this.#fills.values()].map(({done}) => done))
  }

  async statBlob(repository: RepositoryName, digest: Digest, call?: CallOptions): Promise<number | undefined> {
    const {store, upstream, now} = this.#options
    const here = await store.statBlob(repository, digest, call)
    if (here !== undefined) return here
    const key = `${repository}@${digest}`
    const fill = this.#fills.get(key)
    if (fill !== undefined) return fill.blob.size
    const known = this.#sizes.get(key)
    if (known !== undefined && now() - known.at < SIZE_LIFE_MS) return await known.size
    const size = upstream.ask(`@${digest}`, repository, (source) => source.statBlob(repository, digest))
    remember(this.#sizes, key, {size, at: now()})
    size.then(
      (found) => found === undefined && this.#sizes.delete(key),
      () => this.#sizes.delete(key),
    )
    return await size
  }

  async readBlob(...[repository, blob, sink, call = {}]: Parameters<Reading['readBlob']>): Promise<void> {
    const {store, onEvent} = this.#options
    if ((await store.statBlob(repository, blob.digest, call)) !== undefined) {
      onEvent({type: 'hit', kind: 'blob'})
      return await store.readBlob(repository, blob, sink, call)
    }
    onEvent({type: 'miss', kind: 'blob'})
    const fill = this.#fill(repository, blob)
    if (call.range !== undefined) {
      await fill.done
      return await store.readBlob(repository, blob, sink, call)
    }
    const leave = (): void => fill.leave(sink)
    call.signal?.addEventListener('abort', leave, {once: true})
    try {
      const start = await fill.follow(sink)
      if (start < blob.size && call.signal?.aborted !== true) await store.readBlob(repository, blob, sink, restOf(call, start))
    } finally {
      call.signal?.removeEventListener('abort', leave)
    }
  }

  async statManifest(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<Descriptor | undefined> {
    if (isDigest(reference)) {
      const raw = await this.#byDigest(repository, reference, call)
      return raw === undefined ? undefined : describeManifest(raw)
    }
    const {store} = this.#options
    const answer = await this.#resolve(repository, reference)
    if (answer === undefined) return undefined
    // A look at a tag that has moved fetches nothing, and loses nothing.
    if (answer.descriptor !== undefined) return answer.descriptor
    const found = await store.statManifest(repository, answer.digest, call)
    if (found !== undefined && answer.isStale) this.#stale.add(found)
    return found
  }

  async readManifest(repository: RepositoryName, reference: Tag | Digest, call: CallOptions = {}): Promise<RawManifest | undefined> {
    if (isDigest(reference)) return await this.#byDigest(repository, reference, call)
    const {store} = this.#options
    const answer = await this.#resolve(repository, reference)
    if (answer === undefined) return undefined
    const {digest, isStale} = answer
    try {
      const raw = await this.#byDigest(repository, digest, call)
      if (raw === undefined) return undefined
      if (isStale) this.#stale.add(raw)
      else await this.#follow(repository, reference, digest)
      return raw
    } catch (error) {
      // It went away between the two questions: what is whole here is still good.
      const last = error instanceof UpstreamUnavailableError ? await this.#lastWhole(repository, reference) : undefined
      const whole = last === undefined ? undefined : await store.readManifest(repository, last.digest, call)
      if (whole === undefined) throw error
      this.#noteStale(repository, reference, whole)
      return whole
    }
  }

  async *listTags(...[repository, call = {}]: Parameters<Reading['listTags']>): AsyncGenerator<Tag> {
    const {store, upstream} = this.#options
    let tags: readonly Tag[]
    try {
      tags = await upstream.ask('', repository, (source) => collect(source.listTags(repository, call)))
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      tags = await collect(store.listTags(repository, call))
    }
    yield* tags
  }

  async listReferrers(...[repository, subject, call]: Parameters<Reading['listReferrers']>): Promise<readonly Descriptor[]> {
    const {store, upstream} = this.#options
    try {
      return await upstream.ask(`@${subject}`, repository, (source) => source.listReferrers(repository, subject, call))
    } catch (error) {
      if (!isNoAnswer(error)) throw error
      return await store.listReferrers(repository, subject, call)
    }
  }

  /** What a digest names never changes: what is here is the answer. */
  async #byDigest(repository: RepositoryName, digest: Digest, call: CallOptions): Promise<RawManifest | undefined> {
    const {store, onEvent, upstream, writeSparse} = this.#options
    const here = await store.readManifest(repository, digest, call)
    onEvent({type: here === undefined ? 'miss' : 'hit', kind: 'manifest'})
    if (here !== undefined) return here
    return await once(this.#fetches, `${repository}@${digest}`, async () => {
      const raw = await upstream.ask(`@${digest}`, repository, (source) => source.readManifest(repository, digest))
      if (raw !== undefined) {
        await writeSparse(repository, digest, raw)
        await this.#moveTags(repository)
      }
      return raw
    })
  }

  /** What a tag names: what the upstream says, as often as the policy wants it; else the last image that is whole here. */
  async #resolve(
    repository: RepositoryName,
    tag: Tag,
  ): Promise<{readonly digest: Digest; readonly isStale: boolean; readonly descriptor?: Descriptor} | undefined> {
    const {store, rules, now, upstream} = this.#options
    const key = `${repository}:${tag}`
    const whole = await store.statManifest(repository, tag)
    const policy = revalidationOf(rules, repository, tag)
    const seen = this.#seen.get(key)
    if (whole !== undefined && policy === 'never') return {digest: whole.digest, isStale: false}
    if (seen !== undefined && policy !== 'always' && policy !== 'never' && now() - seen.checkedAtMs < policy) {
      if (whole?.digest === seen.digest || !upstream.isPaused) return {digest: seen.digest, isStale: false}
    }
    try {
      const isCached = whole !== undefined || this.#moving.has(repository) || this.#moves.has(repository)
      const patience = isCached ? {patienceMs: LOOKUP_PATIENCE_MS} : {}
      const found = await once(this.#lookups, key, () =>
        upstream.ask(`:${tag}`, repository, (source) => source.statManifest(repository, tag), patience),
      )
      if (found === undefined) {
        // Deleted there: a mirror that never loses what it has goes on serving it.
        const last = await this.#lastWhole(repository, tag)
        return last === undefined ? undefined : {digest: last.digest, isStale: true}
      }
      remember(this.#seen, key, {digest: found.digest, checkedAtMs: now()})
      return found.digest === whole?.digest
        ? {digest: found.digest, isStale: false}
        : {digest: found.digest, isStale: false, descriptor: found}
    } catch (error) {
      const last = isNoAnswer(error) ? await this.#lastWhole(repository, tag) : undefined
      if (last === undefined) throw error
      this.#options.onEvent({type: 'stale', repository, tag})
      return {digest: last.digest, isStale: true}
    }
  }

  /** What the tag named when it was last whole here; what was just pulled is on its way to the disk, and waited for. */
  async #lastWhole(repository: RepositoryName, tag: Tag): Promise<Descriptor | undefined> {
    if (this.#moving.has(repository) || this.#moves.has(repository)) {
      const fills = [...this.#fills].filter(([key]) => key.startsWith(`${repository}@`))
      await Promise.allSettled(fills.map(([, {done}]) => done))
      await this.#moveTags(repository)
    }
    return await this.#options.store.statManifest(repository, tag)
  }

  #fill(repository: RepositoryName, blob: Parameters<Reading['readBlob']>[1]): BlobFill {
    const {store, upstream, onEvent} = this.#options
    const key = `${repository}@${blob.digest}`
    const running = this.#fills.get(key)
    if (running !== undefined) return running
    const fill = new BlobFill(
      blob,
      (sink, start, signal) => {
        const range: Partial<ReadBlobOptions> = start === 0 ? {} : {range: {start}}
        return upstream.ask(`@${blob.digest}`, repository, (source) =>
          source.readBlob(repository, blob, sink, {...range, ...(signal === undefined ? {} : {signal})}),
        )
      },
      (source) => store.writeBlob(repository, blob, source, {verify: true}),
    )
    this.#fills.set(key, fill)
    fill.done
      .then(
        async () => {
          onEvent({type: 'filled', repository, digest: blob.digest, bytes: blob.size})
          await this.#moveTags(repository)
        },
        (error: unknown) => onEvent({type: 'failure', error}),
      )
      .catch((error: unknown) => onEvent({type: 'failure', error}))
      .finally(() => this.#fills.delete(key))
    return fill
  }

  /** Makes a tag follow the upstream as soon as what it names is whole here. */
  async #follow(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const {store} = this.#options
    if ((await store.statManifest(repository, tag))?.digest === digest) return
    const moving = this.#moving.get(repository) ?? new Map<Tag, readonly Digest[]>()
    moving.set(tag, [...(moving.get(tag) ?? []).filter((other) => other !== digest), digest])
    this.#moving.set(repository, moving)
    await this.#moveTags(repository)
  }

  /** One after the other for a repository. */
  async #moveTags(repository: RepositoryName): Promise<void> {
    const before = this.#moves.get(repository) ?? Promise.resolve()
    const move = before.catch(() => {}).then(() => this.#moveNow(repository))
    this.#moves.set(repository, move)
    await move.finally(() => {
      if (this.#moves.get(repository) === move) this.#moves.delete(repository)
    })
  }

  async #moveNow(repository: RepositoryName): Promise<void> {
    const {store, writeSparse, onEvent} = this.#options
    const moving = this.#moving.get(repository)
    for (const [tag, digests] of moving ?? []) {
      for (const digest of digests.toReversed()) {
        const raw = await store.readManifest(repository, digest)
        if (raw === undefined || !(await this.#isWhole(repository, raw))) continue
        const newer = digests.slice(digests.indexOf(digest) + 1)
        if (newer.length === 0) moving?.delete(tag)
        else moving?.set(tag, newer)
        await writeSparse(repository, tag, raw)
        onEvent({type: 'moved', repository, tag, digest})
        break
      }
    }
    if (moving?.size === 0) this.#moving.delete(repository)
  }

  /** An image with all of its blobs; an index with at least one whole image, and none that is here in part. */
  async #isWhole(repository: RepositoryName, raw: RawManifest, depth = 0): Promise<boolean> {
    const {store} = this.#options
    const manifest = parseManifest(raw)
    if (manifest.kind === 'image') {
      const blobs = [manifest.config, ...manifest.layers]
      const sizes = await Promise.all(blobs.map(({digest}) => store.statBlob(repository, digest)))
      return sizes.every((size) => size !== undefined)
    }
    if (depth === MAX_DEPTH) return false
    let found = 0
    for (const {digest} of manifest.manifests) {
      const child = await store.readManifest(repository, digest)
      if (child === undefined) continue
      if (!(await this.#isWhole(repository, child, depth + 1))) return false
      found++
    }
    return found > 0
  }

  #noteStale(repository: RepositoryName, tag: Tag, answer: object): void {
    this.#stale.add(answer)
    this.#options.onEvent({type: 'stale', repository, tag})
  }
}

/** The upstream did not answer, or refuses this mirror: in both cases what is here is what there is. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof UpstreamUnavailableError || hasCode(error, 'UNAUTHENTICATED', 'DENIED', 'INTEGRITY')
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

function remember<Value>(memory: Map<string, Value>, key: string, value: Value): void {
  memory.delete(key)
  memory.set(key, value)
  const [oldest] = memory.keys()
  if (memory.size > MAX_REMEMBERED && oldest !== undefined) memory.delete(oldest)
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
