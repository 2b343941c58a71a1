/** Listing a folder that need not exist. */
import {readdir} from 'node:fs/promises'
import {hasErrno} from '../../core/errno.ts'

/** The names in a folder, in no order; none when there is no such folder. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
