/** What a server can still do with the directory that holds its images. */
import {constants} from 'node:fs'
import {access} from 'node:fs/promises'
import {hasErrno} from '../../core/errno.ts'
import type {FreeSpace} from './free-space.ts'

export interface DiskHealth {
  readonly isReadable: boolean
  readonly isWritable: boolean
  /** Nothing more is kept; deletions and small files still work. */
  readonly isFull: boolean
  /** Bytes that images may still take; infinite where the file system does not tell. */
  readonly freeBytes: number
}

/** A directory that does not exist yet is empty, and made by the first write. */
export async function diskHealth(directory: string, space: FreeSpace): Promise<DiskHealth> {
  const may = async (mode: number): Promise<boolean> => {
    try {
      await access(directory, mode)
      return true
    } catch (error) {
      return hasErrno(error, 'ENOENT')
    }
  }
  const [isReadable, isWritable, usableBytes] = await Promise.all([
    may(constants.R_OK | constants.X_OK),
    may(constants.W_OK),
    space.usableBytes(),
  ])
  return {isReadable, isWritable, isFull: usableBytes <= 0, freeBytes: Math.max(0, usableBytes)}
}
