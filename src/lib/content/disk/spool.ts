/** Files that hold a blob only while it is on its way to another store, so that many can read it meanwhile. */
import {randomUUID} from 'node:crypto'
import {type FileHandle, open, rm, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {IntegrityError} from '../../core/errors.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import type {BlobDescriptor} from '../../oci/descriptor.ts'
import {digestAlgorithm} from '../../oci/digest.ts'
import type {BlobSource} from '../store.ts'
import {FreeSpace, type MeasureSpace} from './free-space.ts'
import type {Growth} from './growing-file.ts'
import {namesIn} from './names-in.ts'
import {receiveFile} from './receive-file.ts'
import {onDisk} from './storage-error.ts'
import {HashThread} from './trailing-hash.ts'

/** What a killed process left is removed when it was not written to for so long. */
const STALE_MS = 60 * 60 * 1000
const EXTENSION = '.spool'

/** A file of the spool, open and empty. */
export interface SpooledBlob {
  /**
   * Takes the bytes; the file is gone when this settles, and who has it open still reads it.
   * @throws {HoldfastError} INTEGRITY when they are not the blob's; STORAGE for a disk that takes no more; else what the source throws.
   */
  receive(source: BlobSource, growth: Growth, signal: AbortSignal | undefined): Promise<void>
}

export class Spool {
  readonly #directory: string
  readonly #thread = new HashThread()
  readonly #space: FreeSpace

  /** @param directory is made when it is needed; several processes may use it. */
  constructor(directory: string, measureSpace?: MeasureSpace) {
    this.#directory = directory
    this.#space = new FreeSpace(directory, measureSpace)
  }

  /** @throws {HoldfastError} STORAGE where the disk has no room for the blob, or takes nothing. */
  async open(blob: BlobDescriptor): Promise<SpooledBlob> {
    return await onDisk('spool blob', blob.digest, this.#directory, async () => {
      await makeDirectory(this.#directory)
      const beforeWrite = await this.#space.watch(0, blob.size)
      const path = join(this.#directory, `${randomUUID()}${EXTENSION}`)
      const file = await open(path, 'wx+')
      return {
        receive: (source, growth, signal) =>
          onDisk('spool blob', blob.digest, this.#directory, () => this.#receive({path, file, beforeWrite}, blob, source, growth, signal)),
      }
    })
  }

  async #receive(
    {path, file, beforeWrite}: {readonly path: string; readonly file: FileHandle; readonly beforeWrite: (size: number) => Promise<void>},
    {digest, size}: BlobDescriptor,
    source: BlobSource,
    growth: Growth,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const hash = this.#thread.follow(path, digestAlgorithm(digest))
    try {
      await growth.opened(path)
      const received = await receiveFile(file, source, {position: 0, limitBytes: size, hash, growth, beforeWrite, signal})
      const actual = received === size ? await hash.finish(size) : undefined
      if (actual !== digest) {
        const reason =
          actual === undefined ? `${received} bytes were sent, its descriptor says ${size}` : `the bytes sent have digest ${actual}`
        throw new IntegrityError(`cannot store blob "${digest}": ${reason}`, {details: {expected: digest, actual: actual ?? received}})
      }
      growth.verified()
    } finally {
      hash.abandon()
      await file.close()
      await rm(path, {force: true})
    }
  }

  /** Removes what killed processes left. */
  async purge(): Promise<void> {
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(EXTENSION)) continue
      const path = join(this.#directory, name)
      const found = await stat(path).catch(() => undefined)
      if (found !== undefined && found.mtimeMs < Date.now() - STALE_MS) await rm(path, {force: true})
    }
  }

  /** Ends the thread that hashes. */
  async close(): Promise<void> {
    await this.#thread.close()
  }
}
