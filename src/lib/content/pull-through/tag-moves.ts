/**
 * What becomes of a tag whose new image is on its way into a mirror: it goes on naming the last image that is whole, and names the new one when that is whole too. Of a cache that
 * others fill as well, an image may become whole without us: it is looked at again for a while.
 */
import {type Digest, isDigest} from '../../oci/digest.ts'
import {childManifests, MAX_INDEX_DEPTH, type RawManifest, requiredBlobs} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {MirrorCache} from './cache.ts'
import {readableManifest} from './judge.ts'
import type {Pending} from './pending.ts'

/** Of one repository, waiting at once. */
const MAX_MOVING = 200
/** Manifests that are remembered not to be here. */
const MAX_ABSENT = 100_000
/** Images that one tag waits for. */
const MAX_IMAGES = 10
/** When what other mirrors may have brought is looked at: a pull is over in minutes, or was given up. */
const LOOK_DELAYS_MS: readonly number[] = [1, 1, 2, 4, 8, 15, 30, 60, 60, 120, 300, 600, 1200].map((seconds) => seconds * 1_000)

export interface TagMovesOptions {
  readonly cache: MirrorCache
  readonly pending: Pending
  readonly onMoved: (repository: RepositoryName, tag: Tag, digest: Digest) => void
  /** Of a look that nobody waits for. */
  readonly onFailure: (error: unknown) => void
}

/** How much of an image is here: `partial` is an index of which some images are complete, and others have parts here and lack parts. */
type Extent = 'complete' | 'partial' | 'incomplete'

export class TagMoves {
  readonly #options: TagMovesOptions
  readonly #settling = new Map<RepositoryName, Promise<void>>()
  readonly #looks = new Map<RepositoryName, NodeJS.Timeout>()
  /** Manifests that are known not to be here, as `repository@digest`: most tags that are polled are never pulled. */
  readonly #absent = new Set<string>()
  #isClosed = false

  constructor(options: TagMovesOptions) {
    this.#options = options
  }

  /** Whether something of a repository waits. */
  has(repository: RepositoryName): boolean {
    return (this.#options.pending.get(repository)?.resolved.size ?? 0) > 0 || this.#settling.has(repository)
  }

  /** Does a last time what can be done. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#looks.values()) clearTimeout(timer)
    await Promise.allSettled(this.#options.pending.repositories.map((repository) => this.settle(repository)))
  }

  /** Goes on with what an earlier process left. */
  async resume(): Promise<void> {
    const {pending, cache, onFailure} = this.#options
    await pending.loaded
    for (const repository of pending.repositories) {
      if (this.#isClosed) return
      if (cache.isShared) this.#lookLater(repository, 0)
      await this.settle(repository).catch(onFailure)
    }
  }

  /** Records what a reference resolved to, to be done when that image is complete. */
  add(repository: RepositoryName, reference: Tag | Digest, digest: Digest): void {
    const {pending, cache} = this.#options
    const {resolved} = pending.open(repository)
    const known = resolved.get(reference) ?? []
    if (known.at(-1) === digest) return
    resolved.delete(reference)
    resolved.set(reference, [...known.filter((other) => other !== digest), digest].slice(-MAX_IMAGES))
    // A client that looks at many tags and pulls none of them has them forgotten again.
    const [oldest] = resolved.keys()
    if (resolved.size > MAX_MOVING && oldest !== undefined) resolved.delete(oldest)
    pending.changed(repository)
    if (cache.isShared) this.#lookLater(repository, 0)
  }

  /** The tag names upstream what it names here: it waits for nothing else any more. */
  drop(repository: RepositoryName, tag: Tag): void {
    const {pending} = this.#options
    if (pending.get(repository)?.resolved.delete(tag) === true) pending.changed(repository)
  }

  /** A manifest is here now. */
  arrived(repository: RepositoryName, digest: Digest): void {
    this.#absent.delete(`${repository}@${digest}`)
  }

  /** Of a shared cache others bring the rest: it is looked at again, less and less often. */
  #lookLater(repository: RepositoryName, looks: number): void {
    if (this.#looks.has(repository) || this.#isClosed) return
    const delayMs = LOOK_DELAYS_MS[looks]
    // No mirror brought it: the next pull asks for it again.
    if (delayMs === undefined) {
      this.#forget(repository)
      return
    }
    const timer = setTimeout(() => {
      this.#absent.clear()
      this.settle(repository)
        .catch((error: unknown) => this.#options.onFailure(error))
        .finally(() => {
          this.#looks.delete(repository)
          if (this.#options.pending.get(repository) !== undefined) this.#lookLater(repository, looks + 1)
        })
    }, delayMs)
    this.#looks.set(repository, timer.unref())
  }

  #forget(repository: RepositoryName): void {
    const {pending} = this.#options
    pending.get(repository)?.resolved.clear()
    pending.changed(repository)
  }

  /** Does what can be done now; one after the other for a repository. */
  async settle(repository: RepositoryName): Promise<void> {
    const before = this.#settling.get(repository) ?? this.#options.pending.loaded
    const turn = before.catch(() => {}).then(() => this.#settleNow(repository))
    this.#settling.set(repository, turn)
    await turn.finally(() => {
      if (this.#settling.get(repository) === turn) this.#settling.delete(repository)
    })
  }

  async #settleNow(repository: RepositoryName): Promise<void> {
    const {pending} = this.#options
    for (const [reference, digests] of [...(pending.get(repository)?.resolved ?? [])]) {
      for (const digest of digests.toReversed()) {
        if (!(await this.#commit(repository, reference, digest))) continue
        // It may have moved on, or back, meanwhile.
        const resolved = pending.get(repository)?.resolved
        const known = resolved?.get(reference) ?? []
        const newer = known.slice(known.indexOf(digest) + 1)
        if (newer.length === 0) resolved?.delete(reference)
        else resolved?.set(reference, newer)
        pending.changed(repository)
        break
      }
    }
  }

  /** Returns whether the image is complete here, and the reference names it from now on. */
  async #commit(repository: RepositoryName, reference: Tag | Digest, digest: Digest): Promise<boolean> {
    const {cache, pending, onMoved} = this.#options
    const key = `${repository}@${digest}`
    if (this.#absent.has(key)) return false
    const raw = await cache.readManifest(repository, digest)
    if (raw === undefined) {
      if (this.#absent.size >= MAX_ABSENT) this.#absent.clear()
      this.#absent.add(key)
      return false
    }
    const extent = await this.#extentOf(repository, raw, new Map())
    if (extent === 'incomplete') return false
    // An image that a client pulled whole is not lost because another client began with a second platform; but nothing whole is given up for it.
    if (extent === 'partial' && (await cache.statManifest(repository, reference)) !== undefined) return false
    // The tag may have been settled otherwise while the image was looked at.
    if (pending.get(repository)?.resolved.get(reference)?.includes(digest) !== true) return false
    await cache.settleManifest(repository, reference, raw)
    if (!isDigest(reference)) onMoved(repository, reference, digest)
    return true
  }

  /** How much of an image is here. `known` spares what an index names twice. */
  async #extentOf(repository: RepositoryName, raw: RawManifest, known: Map<Digest, Extent>, depth = 0): Promise<Extent> {
    const looked = known.get(raw.digest)
    if (looked !== undefined) return looked
    const extent = await this.#look(repository, raw, known, depth)
    known.set(raw.digest, extent)
    return extent
  }

  async #look(repository: RepositoryName, raw: RawManifest, known: Map<Digest, Extent>, depth: number): Promise<Extent> {
    const {cache} = this.#options
    const manifest = readableManifest(raw)
    if (manifest === undefined) return 'incomplete'
    const areHere = await Promise.all(
      requiredBlobs(manifest).map(async ({digest, size}) => (await cache.statBlob(repository, digest)) === size),
    )
    if (manifest.kind === 'image') return areHere.every(Boolean) ? 'complete' : 'incomplete'
    if (depth === MAX_INDEX_DEPTH) return 'incomplete'
    let complete = areHere.filter(Boolean).length
    let isPartial = false
    for (const {digest} of childManifests(manifest)) {
      const child = await cache.readManifest(repository, digest)
      if (child === undefined) continue
      const extent = await this.#extentOf(repository, child, known, depth + 1)
      if (extent !== 'incomplete') complete++
      if (extent !== 'complete') isPartial = true
    }
    if (complete === 0) return 'incomplete'
    return isPartial ? 'partial' : 'complete'
  }
}
