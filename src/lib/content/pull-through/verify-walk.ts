/** Reads all that a mirror has in a folder, slowly and again and again, so that damage is found while the upstream can still be asked. */
import {createHash} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import {openRegularFile} from '../../core/regular-file.ts'
import {type Digest, digestAlgorithm, parseDigest} from '../../oci/digest.ts'
import type {RepositoryName} from '../../oci/reference.ts'
import type {FilesystemStore} from '../filesystem/store.ts'
import type {HeldContent} from '../filesystem/stored-files.ts'

const READ_BYTES = 256 * 1024

export interface VerifyPace {
  /** From the start, or from the end of a walk, to the next walk, in milliseconds. */
  readonly pauseMs: number
  readonly bytesPerSecond: number
}

/** A terabyte takes less than two days, and no disk is busy with it. */
const DEFAULT_PACE: VerifyPace = {pauseMs: 60 * 60_000, bytesPerSecond: 8 * 1024 * 1024}

export interface VerifyWalkOptions {
  readonly disk: FilesystemStore
  /** Judges one file; `read` hashes it at the pace of the walk. */
  readonly verify: (repository: RepositoryName, held: HeldContent, read: () => Promise<Digest>) => Promise<void>
  readonly pace?: VerifyPace | undefined
}

export class VerifyWalk {
  readonly #options: VerifyWalkOptions
  readonly #pace: VerifyPace
  readonly #stop = new AbortController()
  #run: Promise<void> | undefined

  constructor(options: VerifyWalkOptions) {
    this.#options = options
    this.#pace = options.pace ?? DEFAULT_PACE
  }

  start(): void {
    this.#run ??= this.#walkAgainAndAgain()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#run
  }

  /** Never rejects. */
  async #walkAgainAndAgain(): Promise<void> {
    const {signal} = this.#stop
    while (!signal.aborted) {
      await this.#wait(this.#pace.pauseMs)
      // What cannot be listed or read now is looked at by the next walk.
      await this.#walk().catch(() => {})
    }
  }

  async #walk(): Promise<void> {
    const {disk, verify} = this.#options
    const {signal} = this.#stop
    const seen = new Set<Digest>()
    for await (const repository of disk.listRepositories({signal}))
      for await (const held of disk.files.list(repository)) {
        if (signal.aborted) return
        if (seen.has(held.digest)) continue
        seen.add(held.digest)
        const {digest} = held
        await verify(repository, held, () => this.#hash(digest)).catch(() => {})
      }
  }

  async #hash(digest: Digest): Promise<Digest> {
    const {signal} = this.#stop
    const found = await this.#options.disk.files.find(digest)
    if (found === undefined) return digest
    const algorithm = digestAlgorithm(digest)
    const hash = createHash(algorithm)
    const file = await openRegularFile(found.path)
    try {
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      for (let position = 0; ; ) {
        signal.throwIfAborted()
        const {bytesRead} = await file.read(buffer, 0, buffer.length, position)
        if (bytesRead === 0) break
        hash.update(buffer.subarray(0, bytesRead))
        position += bytesRead
        await this.#wait((bytesRead / this.#pace.bytesPerSecond) * 1000)
      }
    } finally {
      await file.close()
    }
    return parseDigest(`${algorithm}:${hash.digest('hex')}`)
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, {signal: this.#stop.signal, ref: false}).catch(() => {})
  }
}
