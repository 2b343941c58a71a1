/**
 * How far a disk may be filled. A reserve stays free for what is small and must not fail: manifests, links, deletions, and what this machine remembers. Without
 * it one large blob stops every later write.
 */
import {statfs} from 'node:fs/promises'
import type {Quota} from './quota.ts'

/** What blobs leave free. */
const RESERVE_BYTES = 64 * 1024 * 1024
/** Of a small disk not more than this part is reserved. */
const MAX_RESERVED_PART = 1 / 16
/** Of the reserve, what manifests, links and upload sessions leave: clients can write any number of them, and databases beside the images must go on. */
const RECORDS_LEAVE_PART = 1 / 2
/** Bytes that may be written until the disk is looked at again: other programs and other uploads fill it too. */
const CHECK_BYTES = 16 * 1024 * 1024

/** What a file system says of itself, in bytes. */
interface DiskSpace {
  readonly availableBytes: number
  readonly totalBytes: number
}

/** Measures the file system of a directory that exists; undefined where it does not tell. */
export type MeasureSpace = (directory: string) => Promise<DiskSpace | undefined>

export class FreeSpace {
  readonly #directory: string
  readonly #measure: MeasureSpace
  readonly #quota: Quota | undefined

  constructor(directory: string, measure: MeasureSpace = measureSpace, quota?: Quota) {
    this.#directory = directory
    this.#measure = measure
    this.#quota = quota
  }

  /** Whether the reserve is touched. */
  async isShort(): Promise<boolean> {
    return (await this.usableBytes()) <= 0
  }

  /** Whether a file of that size leaves the reserve as it is. */
  async hasRoom(sizeBytes: number): Promise<boolean> {
    return (await this.usableBytes()) >= sizeBytes
  }

  /**
   * Watches one file that grows from `position`, to `expectedSize` where that is known. The function that is returned is to be called before each write with the
   * size that the file has after it.
   * @throws {DiskFullError} when the reserve would be touched; so does the function.
   */
  async watch(position: number, expectedSize = position): Promise<(size: number) => Promise<void>> {
    let written = position
    let granted = position
    const grant = async (size: number): Promise<void> => {
      const usable = await this.usableBytes()
      if (size - written > usable) {
        this.#quota?.refused(size - written - usable)
        throw new DiskFullError(usable, usable === this.#quota?.leftBytes)
      }
      granted = written + Math.max(size - written, Math.min(usable, CHECK_BYTES))
    }
    await grant(expectedSize)
    granted = Math.min(granted, position + CHECK_BYTES)
    return async (size) => {
      if (size > granted) await grant(size)
      this.#quota?.changed(size - written)
      written = size
    }
  }

  /**
   * Returns when there is room for a manifest, a link or the beginning of an upload.
   * @throws {DiskFullError} when the part of the reserve that these may fill is full.
   */
  async assertRoomForRecord(sizeBytes: number): Promise<void> {
    const space = await this.#measure(this.#directory)
    if (space === undefined) return
    const usable = space.availableBytes - reserveOf(space) * RECORDS_LEAVE_PART
    if (usable < sizeBytes) throw new DiskFullError(usable, false)
  }

  /** Bytes that may be written; negative where the reserve is touched already, and infinite where the file system does not tell. */
  async usableBytes(): Promise<number> {
    const space = await this.#measure(this.#directory)
    const allowed = this.#quota?.leftBytes ?? Number.POSITIVE_INFINITY
    if (space === undefined) return allowed
    return Math.min(allowed, space.availableBytes - reserveOf(space))
  }
}

function reserveOf({totalBytes}: DiskSpace): number {
  return Math.min(RESERVE_BYTES, totalBytes * MAX_RESERVED_PART)
}

/** The reserve would be touched; has the code of the system's own error. */
export class DiskFullError extends Error {
  readonly code = 'ENOSPC'

  /** @param isOfQuota whether the operator's limit is reached, and not the disk. */
  constructor(usableBytes: number, isOfQuota: boolean) {
    const limit = isOfQuota ? 'the maximum size of the store is reached' : 'the disk is full'
    super(`${limit}: ${Math.max(0, Math.floor(usableBytes))} bytes are left`)
  }
}

async function measureSpace(directory: string): Promise<DiskSpace | undefined> {
  try {
    const {bavail, blocks, bsize} = await statfs(directory)
    return blocks > 0 ? {availableBytes: bavail * bsize, totalBytes: blocks * bsize} : undefined
  } catch {
    // What is written will tell.
    return undefined
  }
}
