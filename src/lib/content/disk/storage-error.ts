/** What the operating system says of a disk, as an error that a user can act on. */
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError, interrupted} from '../../core/errors.ts'
import {shellCommand} from '../../core/shell.ts'
import {DiskFullError} from './free-space.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EIO: 'the disk reports an input/output error',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENOTDIR: 'a file is where a directory should be',
  EEXIST: 'a file is where a directory should be',
  EISDIR: 'a directory is where a file should be',
  ELOOP: 'a symbolic link is in the way',
  ENAMETOOLONG: 'the name is too long for the file system',
  EXDEV: 'the directory spans several file systems',
}

/** Tells whether a disk, or what a user may store on it, is full: as the system says it, or as a STORAGE error says that it did. */
export function isDiskFull(error: unknown): boolean {
  return isFrom(error, 'ENOSPC', 'EDQUOT')
}

/** Tells whether this process, or the system, has as many files open as it may. */
export function hasTooManyFiles(error: unknown): boolean {
  return isFrom(error, 'EMFILE', 'ENFILE')
}

/** Tells whether a disk takes nothing more, while what is on it can still be read. */
export function refusesWrites(error: unknown): boolean {
  return isFrom(error, 'ENOSPC', 'EDQUOT', 'EROFS')
}

/** By the code of a system call, or of the STORAGE error that was made of it. */
function isFrom(error: unknown, ...codes: readonly string[]): boolean {
  const errno = error instanceof HoldfastError ? error.details.errno : undefined
  return (typeof errno === 'string' && codes.includes(errno)) || hasErrno(error, ...codes)
}

/**
 * Runs an operation on the files below `directory`; a failure of the disk becomes a STORAGE error that names `verb` and `object`, an abort INTERRUPTED, and
 * every other error passes unchanged.
 */
export async function onDisk<T>(verb: string, object: string, directory: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw storageError(verb, object, directory, error)
  }
}

function storageError(verb: string, object: string, directory: string, error: unknown): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error
  if (error.name === 'AbortError') return interrupted()
  const errno = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const reason = error instanceof DiskFullError ? error.message : REASONS[errno]
  if (reason === undefined) return error
  return new HoldfastError('STORAGE', `cannot ${verb} "${object}": ${reason}`, {
    hints: [hintFor(errno, directory)],
    details: {errno, directory},
    cause: error,
  })
}

function hintFor(errno: string, directory: string): string {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return shellCommand`df -h ${directory}`
  if (errno === 'EROFS' || errno === 'EXDEV') return `findmnt --target "${directory}"`
  if (errno === 'EMFILE' || errno === 'ENFILE') return 'ulimit -n 65536'
  return shellCommand`ls -ld ${directory}`
}
