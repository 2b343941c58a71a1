/**
 * Fetches the parts of an image that no client asked for, since it had them already: without them the image would be lost with the upstream. Each image is completed once, after
 * a client got its manifest, and only while no client waits for the upstream, the disk has room and the upstream has quota to spare.
 */
import {LRUCache} from 'lru-cache'
import {hasCode} from '../../core/errors.ts'
import type {Digest} from '../../oci/digest.ts'
import {requiredBlobs} from '../../oci/manifest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {MirroredBlobs} from './blobs.ts'
import type {MirrorCache} from './cache.ts'
import type {MirrorEvent} from './events.ts'
import {readableManifest} from './judge.ts'
import type {Pending} from './pending.ts'
import type {Upstream} from './upstream.ts'

/** A client that pulls an image asks for its layers at once: so long it is left alone with them. */
const DELAY_MS = 5_000
/** How long to wait while clients pull, the upstream is paused, or there is no room or quota. */
const WAIT_MS = 30_000
/** What clients wait for goes first: it is looked so often whether they still do, and for so long. */
const BUSY_WAIT_MS = 500
const MAX_BUSY_WAIT_MS = 60_000
/** After each failure of an image the wait is twice the one before, up to so many times. */
const MAX_DOUBLINGS = 8
/** Images that wait at once; a further one is completed when a client gets it again. */
const MAX_QUEUED = 10_000

export interface CompletionOptions {
  readonly cache: MirrorCache
  readonly upstream: Upstream
  readonly blobs: MirroredBlobs
  readonly pending: Pending
  readonly onEvent: (event: MirrorEvent) => void
  /** How long after a client got a manifest, in milliseconds. */
  readonly delayMs?: number | undefined
}

interface Job {
  readonly repository: RepositoryName
  readonly digest: Digest
  notBeforeMs: number
  failures: number
}

type Outcome = 'done' | 'wait' | 'failed'

export class Completion {
  readonly #options: CompletionOptions
  readonly #delayMs: number
  readonly #jobs = new Map<string, Job>()
  /** Images that were completed, or given up. */
  readonly #over = new LRUCache<string, true>({max: MAX_QUEUED})
  readonly #stop = new AbortController()
  #timer: {readonly handle: NodeJS.Timeout; readonly atMs: number} | undefined
  #work: Promise<void> | undefined

  constructor(options: CompletionOptions) {
    this.#options = options
    this.#delayMs = options.delayMs ?? DELAY_MS
  }

  /** Goes on with what an earlier process left. */
  async resume(): Promise<void> {
    const {pending} = this.#options
    await pending.loaded
    for (const repository of pending.repositories)
      for (const digest of pending.get(repository)?.incomplete ?? []) this.wanted(repository, digest)
  }

  /** To be told of each manifest that a client got. */
  wanted(repository: RepositoryName, digest: Digest): void {
    const key = `${repository}@${digest}`
    if (this.#stop.signal.aborted || this.#over.get(key) === true) return
    if (this.#jobs.has(key) || this.#jobs.size >= MAX_QUEUED) return
    const notBeforeMs = performance.now() + this.#delayMs
    this.#jobs.set(key, {repository, digest, notBeforeMs, failures: 0})
    this.#wake(notBeforeMs)
  }

  /** To be told of each manifest that the mirror did not have: a restart must not forget it. */
  kept(repository: RepositoryName, digest: Digest): void {
    const {pending} = this.#options
    if (this.#over.get(`${repository}@${digest}`) === true) return
    pending.open(repository).incomplete.add(digest)
    pending.changed(repository)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer?.handle)
    await this.#work
  }

  /** Looks at the jobs then; earlier when it was to do so anyway. */
  #wake(atMs: number): void {
    if (this.#work !== undefined || this.#stop.signal.aborted) return
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return
    clearTimeout(this.#timer?.handle)
    const run = (): void => {
      this.#timer = undefined
      this.#work = this.#run().finally(() => {
        this.#work = undefined
        const next = [...this.#jobs.values()].reduce((first, {notBeforeMs}) => Math.min(first, notBeforeMs), Number.POSITIVE_INFINITY)
        if (next < Number.POSITIVE_INFINITY) this.#wake(next)
      })
    }
    this.#timer = {handle: setTimeout(run, Math.max(0, atMs - performance.now())).unref(), atMs}
  }

  /** One after the other, because no client waits for it. */
  async #run(): Promise<void> {
    for (const [key, job] of [...this.#jobs]) {
      if (this.#stop.signal.aborted) return
      if (job.notBeforeMs > performance.now()) continue
      const outcome = await this.#complete(job)
      if (this.#stop.signal.aborted) return
      if (outcome === 'failed') job.failures = Math.min(MAX_DOUBLINGS, job.failures + 1)
      if (outcome === 'done') this.#end(key, job)
      else job.notBeforeMs = performance.now() + Math.min(WAIT_MS, 4 * this.#delayMs) * 2 ** job.failures
    }
  }

  #end(key: string, {repository, digest}: Job): void {
    const {pending} = this.#options
    this.#jobs.delete(key)
    this.#over.set(key, true)
    if (pending.get(repository)?.incomplete.delete(digest) === true) pending.changed(repository)
  }

  /** Never rejects. */
  async #complete({repository, digest}: Job): Promise<Outcome> {
    const {cache, onEvent} = this.#options
    try {
      const raw = await cache.readManifest(repository, digest)
      const manifest = raw === undefined ? undefined : readableManifest(raw)
      // Platforms of an index that no client asked for are left where they are.
      if (manifest?.kind !== 'image') return 'done'
      let fetched = 0
      for (const blob of requiredBlobs(manifest)) {
        if ((await cache.statBlob(repository, blob.digest)) === blob.size) continue
        if (fetched === 0) this.kept(repository, digest)
        if (!(await this.#mayFetch(blob.size))) return 'wait'
        await this.#options.blobs.fill(repository, blob).done
        fetched++
      }
      if (fetched > 0) onEvent({type: 'completed', repository, digest})
      return 'done'
    } catch (error) {
      // Asked again, the upstream would say the same.
      return hasCode(error, 'BLOB_NOT_FOUND', 'REPOSITORY_NOT_FOUND', 'DENIED', 'UNAUTHENTICATED', 'INTEGRITY') ? 'done' : 'failed'
    }
  }

  /** Waits while clients wait, though not for ever. */
  async #mayFetch(sizeBytes: number): Promise<boolean> {
    const {cache, upstream, blobs} = this.#options
    const {signal} = this.#stop
    const endMs = performance.now() + MAX_BUSY_WAIT_MS
    while (blobs.isBusy && !signal.aborted && performance.now() < endMs)
      await new Promise<void>((resolve) => setTimeout(resolve, BUSY_WAIT_MS).unref())
    return !signal.aborted && !upstream.isPaused && upstream.hasSpareQuota && (await cache.hasRoom(sizeBytes))
  }
}
