/** A configuration file as it is on disk: found through symbolic links, replaced whole, with the mode it had. */
import {randomUUID} from 'node:crypto'
import {chown, open, realpath, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {HoldfastError, hasCode} from '../../core/errors.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {shellCommand} from '../../core/shell.ts'

/** Longer files are refused; real ones have a few kilobytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024
/** As docker and podman make them: they may hold passwords. */
const PRIVATE_FILE = 0o600
const PRIVATE_DIRECTORY = 0o700
const PERMISSION_BITS = 0o7777

export interface TextFile {
  /** Behind all symbolic links. */
  readonly path: string
  /** Undefined for a file that is not there. */
  readonly text: string | undefined
}

/**
 * Reads a file; one that is not there has no text.
 * @throws {HoldfastError} CONFIGURATION when it cannot be read, is too long, or is not UTF-8. It is never quoted.
 */
export async function readTextFile(file: string): Promise<TextFile> {
  try {
    const path = await realpath(file)
    const bytes = await readRegularFile(path, {maxBytes: MAX_FILE_BYTES})
    return {path, text: new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)}
  } catch (error) {
    if (hasCode(error, 'CONFIGURATION')) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT') return {path: file, text: undefined}
    // The decoder's error is not kept: it says nothing more.
    throw unreadable(file, code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : code)
  }
}

/**
 * Replaces a file's text, or makes it for its owner only: temporary file beside it, fsync, rename; mode and owner stay.
 * @throws {HoldfastError} CONFLICT when it is not as it was read any more; STORAGE when it cannot be written. Either way it is as it was.
 */
export async function replaceTextFile(read: TextFile, text: string): Promise<void> {
  const {path} = read
  await assertUnchanged(read)
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await makeDirectory(dirname(path), {mode: PRIVATE_DIRECTORY})
    const before = read.text === undefined ? undefined : await stat(path)
    const handle = await open(temporary, 'wx', PRIVATE_FILE)
    try {
      await handle.writeFile(text)
      if (before !== undefined) {
        await handle.chmod(before.mode & PERMISSION_BITS)
        const own = await handle.stat()
        if (own.uid !== before.uid || own.gid !== before.gid) await chown(temporary, before.uid, before.gid)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, {force: true}).catch(() => {})
    throw unwritable(path, cause)
  }
}

/**
 * Removes a file that is as it was read.
 * @throws {HoldfastError} CONFLICT, STORAGE
 */
export async function removeTextFile(read: TextFile): Promise<void> {
  await assertUnchanged(read)
  await rm(read.path).catch((cause: unknown) => {
    throw unwritable(read.path, cause)
  })
}

async function assertUnchanged({path, text}: TextFile): Promise<void> {
  if ((await readTextFile(path)).text === text) return
  throw new HoldfastError('CONFLICT', `cannot change "${path}": another program has changed it meanwhile; nothing was written`, {
    hints: ['run the same command again'],
    details: {path},
  })
}

function unreadable(path: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot read "${path}": ${reason}`, {hints: [shellCommand`ls -l ${path}`], details: {path}})
}

function unwritable(path: string, cause: unknown): HoldfastError {
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
  return new HoldfastError('STORAGE', `cannot write "${path}": ${reason}`, {
    hints: [shellCommand`ls -ld ${dirname(path)}`],
    details: {path},
    cause,
  })
}
