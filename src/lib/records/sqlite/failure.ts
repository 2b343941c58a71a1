/** What SQLite's result codes mean to a user (sqlite.org/rescode.html). */
import {dirname} from 'node:path'
import {HoldfastError} from '../../core/errors.ts'
import {shellCommand} from '../../core/shell.ts'

const PRIMARY_CODE_MASK = 0xff
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26

/** Helps where the usual data directory is not this user's to write. */
const OTHER_DATA_DIRECTORY = 'export HOLDFAST_DATA_DIR="$PWD/holdfast-data"   # or another folder that you may write'

/** The primary result code of an error thrown by node:sqlite; undefined for any other error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & PRIMARY_CODE_MASK
}

/** Whether another connection holds the lock that was wanted. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}

/** Whether the disk or another process is in the way: the same statement may succeed later. */
export function isUnavailable(error: unknown): boolean {
  const code = resultCode(error)
  return isBusy(error) || [SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN].some((known) => known === code)
}

/** Whether the file, or its folder, may be read and not written. */
export function isUnwritable(error: unknown): boolean {
  const code = resultCode(error instanceof HoldfastError ? error.cause : error)
  return code === SQLITE_READONLY || code === SQLITE_CANTOPEN
}

/** The error for a database that cannot be used: CONFIGURATION when the file is no database, STORAGE when the disk or another process is in the way. */
export function databaseFailure(verb: 'open' | 'read' | 'write', file: string, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const code = resultCode(cause)
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    return new HoldfastError('CONFIGURATION', `cannot ${verb} "${file}": it is damaged, or not a database of Holdfast`, {
      hints: [shellCommand`mv ${file} ${file}.damaged`, 'restore it from a backup; the images in the registries are not affected'],
      cause,
    })
  }
  if (isBusy(cause)) {
    return new HoldfastError('STORAGE', `cannot ${verb} "${file}": another process keeps it locked`, {
      hints: [`fuser -v "${file}"`],
      cause,
    })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new HoldfastError('STORAGE', `cannot ${verb} "${file}": ${reason}`, {
    hints: [OTHER_DATA_DIRECTORY, shellCommand`ls -ld ${dirname(file)} ${file}; df -h ${dirname(file)}`],
    cause,
  })
}
