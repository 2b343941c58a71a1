/**
 * What becomes of a tag whose new image is on its way into a mirror: it goes on naming the last image that is whole, and names the new one when that is whole too. Of a cache that
 * others fill as well, an image may become whole without us: it is looked at again for a while.
 */
import {hasCode} from '../../core/errors.ts'
import {type Digest, isDigest} from '../../oci/digest.ts'
import {childManifests, MAX_INDEX_DEPTH, type Manifest, parseManifest, type RawManifest, requiredBlobs} from '../../oci/manifest.ts'
import type {RepositoryName, Tag} from '../../oci/reference.ts'
import type {MirrorCache} from './cache.ts'

/** Of one repository, waiting at once. */
const MAX_MOVING = 200
/** When what other mirrors may have brought is looked at: a pull is over in minutes, or was given up. */
const LOOK_DELAYS_MS: readonly number[] = [1, 1, 2, 4, 8, 15, 30, 60, 60, 120, 300, 600, 1200].map((seconds) => seconds * 1_000)

export interface TagMovesOptions {
  readonly cache: MirrorCache
  readonly onMoved: (repository: RepositoryName, tag: Tag, digest: Digest) => void
  /** Of a look that nobody waits for. */
  readonly onFailure: (error: unknown) => void
}

export class TagMoves {
  readonly #options: TagMovesOptions
  /** What waits, by repository; of several images that a tag has named the newest is last. */
  readonly #moving = new Map<RepositoryName, Map<Tag | Digest, readonly Digest[]>>()
  readonly #settling = new Map<RepositoryName, Promise<void>>()
  readonly #looks = new Map<RepositoryName, NodeJS.Timeout>()
  #isClosed = false

  constructor(options: TagMovesOptions) {
    this.#options = options
  }

  /** Whether something of a repository waits. */
  has(repository: RepositoryName): boolean {
    return this.#moving.has(repository) || this.#settling.has(repository)
  }

  /** Does a last time what can be done. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#looks.values()) clearTimeout(timer)
    await Promise.allSettled([...this.#moving.keys()].map((repository) => this.settle(repository)))
  }

  /** Notes what is to happen when an image is whole. */
  add(repository: RepositoryName, reference: Tag | Digest, digest: Digest): void {
    const moving = this.#moving.get(repository) ?? new Map<Tag | Digest, readonly Digest[]>()
    const digests = [...(moving.get(reference) ?? []).filter((other) => other !== digest), digest]
    moving.delete(reference)
    moving.set(reference, digests)
    // Who looks at many tags and pulls none of them has them forgotten again.
    const [oldest] = moving.keys()
    if (moving.size > MAX_MOVING && oldest !== undefined) moving.delete(oldest)
    this.#moving.set(repository, moving)
    if (this.#options.cache.isShared) this.#lookLater(repository, 0)
  }

  /** Of a shared cache others bring the rest: it is looked at again, less and less often. */
  #lookLater(repository: RepositoryName, looks: number): void {
    if (this.#looks.has(repository) || this.#isClosed) return
    const delayMs = LOOK_DELAYS_MS[looks]
    // Nobody brought it: who pulls it again asks for it anew.
    if (delayMs === undefined) return void this.#moving.delete(repository)
    const timer = setTimeout(() => {
      this.settle(repository)
        .catch((error: unknown) => this.#options.onFailure(error))
        .finally(() => {
          this.#looks.delete(repository)
          if (this.#moving.has(repository)) this.#lookLater(repository, looks + 1)
        })
    }, delayMs)
    this.#looks.set(repository, timer.unref())
  }

  /** Does what can be done now; one after the other for a repository. */
  async settle(repository: RepositoryName): Promise<void> {
    const before = this.#settling.get(repository) ?? Promise.resolve()
    const turn = before.catch(() => {}).then(() => this.#settleNow(repository))
    this.#settling.set(repository, turn)
    await turn.finally(() => {
      if (this.#settling.get(repository) === turn) this.#settling.delete(repository)
    })
  }

  async #settleNow(repository: RepositoryName): Promise<void> {
    const {cache, onMoved} = this.#options
    const moving = this.#moving.get(repository)
    for (const [reference, digests] of moving ?? []) {
      for (const digest of digests.toReversed()) {
        const raw = await cache.readManifest(repository, digest)
        if (raw === undefined || !(await this.#isWhole(repository, raw, new Map()))) continue
        await cache.settleManifest(repository, reference, raw)
        // It may have moved on meanwhile.
        const known = moving?.get(reference) ?? []
        const newer = known.slice(known.indexOf(digest) + 1)
        if (newer.length === 0) moving?.delete(reference)
        else moving?.set(reference, newer)
        if (!isDigest(reference)) onMoved(repository, reference, digest)
        break
      }
    }
    if (moving?.size === 0) this.#moving.delete(repository)
  }

  /** An image with all of its blobs; an index with at least one whole image or blob, and no image that is here in part. `known` spares what an index names twice. */
  async #isWhole(repository: RepositoryName, raw: RawManifest, known: Map<Digest, boolean>, depth = 0): Promise<boolean> {
    const looked = known.get(raw.digest)
    if (looked !== undefined) return looked
    const isWhole = await this.#lookWhole(repository, raw, known, depth)
    known.set(raw.digest, isWhole)
    return isWhole
  }

  async #lookWhole(repository: RepositoryName, raw: RawManifest, known: Map<Digest, boolean>, depth: number): Promise<boolean> {
    const {cache} = this.#options
    const manifest = readable(raw)
    if (manifest === undefined) return false
    const sizes = await Promise.all(requiredBlobs(manifest).map(({digest}) => cache.statBlob(repository, digest)))
    if (manifest.kind === 'image') return sizes.every((size) => size !== undefined)
    if (depth === MAX_INDEX_DEPTH) return false
    let found = sizes.filter((size) => size !== undefined).length
    for (const {digest} of childManifests(manifest)) {
      const child = await cache.readManifest(repository, digest)
      if (child === undefined) continue
      if (!(await this.#isWhole(repository, child, known, depth + 1))) return false
      found++
    }
    return found > 0
  }
}

/** Undefined for what no client of today could use. */
function readable(raw: RawManifest): Manifest | undefined {
  try {
    return parseManifest(raw)
  } catch (error) {
    if (hasCode(error, 'INVALID_MANIFEST', 'UNSUPPORTED')) return undefined
    throw error
  }
}
