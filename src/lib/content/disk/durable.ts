/**
 * Files that appear whole or not at all, and that are still there after the power failed: temporary file → fsync → rename → fsync of the directory.
 * The temporary file must be on the same file system as its target.
 */
import {open, rename, rm} from 'node:fs/promises'
import {dirname} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {makeDirectory} from '../../core/make-directory.ts'

/** Writes a small file durably by way of `temporary`, an unused name; a file that is already there is replaced atomically. Nothing is left of a failure. */
export async function writeDurably(target: string, temporary: string, bytes: Uint8Array | string): Promise<void> {
  const file = await open(temporary, 'wx')
  try {
    try {
      await file.writeFile(bytes)
      await file.datasync()
    } finally {
      await file.close()
    }
    await moveDurably(temporary, target)
  } catch (error) {
    // A full disk must not be filled further by what could not be written.
    await rm(temporary, {force: true})
    throw error
  }
}

/** Renames a file or directory whose content is already on the disk, making the directories above the target where they lack. */
export async function moveDurably(from: string, to: string): Promise<void> {
  const grown = await growDirectory(dirname(to))
  await rename(from, to)
  await Promise.all(grown.map(syncDirectory))
}

/** Makes sure that what was renamed into or removed from a directory stays so after a power failure. */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    // Some file systems, and Windows, know no fsync of directories; there is then nothing more that could be done.
    if (!hasErrno(error, 'EINVAL', 'EISDIR', 'EPERM', 'ENOTSUP')) throw error
  }
}

/** Makes a directory, and those above it, that are still there after a power failure. */
export async function makeDirectoryDurably(directory: string): Promise<void> {
  const grown = await growDirectory(directory)
  if (grown.length > 1) await Promise.all(grown.map(syncDirectory))
}

/** Makes a directory; answers with every directory whose entries change once something is put into it: that one alone where it was there. */
async function growDirectory(directory: string): Promise<readonly string[]> {
  const first = await makeDirectory(directory)
  const changed = [directory]
  if (first === undefined) return changed
  const top = dirname(first)
  for (let above = dirname(directory); ; above = dirname(above)) {
    changed.push(above)
    if (above === top || above === dirname(above)) return changed
  }
}
