/**
 * Reading files that others may have put there. A named pipe would let its reader wait for ever, a device never ends, and a file may be larger than the memory:
 * everything that is read from a disk as a whole is read here, with a bound.
 */
import {constants} from 'node:fs'
import {type FileHandle, open} from 'node:fs/promises'
import {ByteCollector} from './byte-collector.ts'
import {HoldfastError} from './errors.ts'
import {unlessAborted} from './settle-within.ts'
import {shellCommand} from './shell.ts'

/** Files under /proc say that they are empty, and are not. */
const MIN_READ_BYTES = 16 * 1024
const MAX_READ_BYTES = 1024 * 1024

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a file is where a directory should be',
  EISDIR: 'it is a directory',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ELOOP: 'its symbolic links form a circle',
  EAGAIN: 'it has no content yet',
  EIO: 'the disk reports an input/output error',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
}

export interface ReadLimits {
  /** A larger file is refused. */
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a whole file.
 * @throws {HoldfastError} CONFIGURATION when it is not a regular file, or has more than `maxBytes`.
 * @throws the error of the system, and the reason of the signal.
 */
export async function readRegularFile(path: string, limits: ReadLimits): Promise<Buffer> {
  return await unlessAborted(readWhole(path, limits), limits.signal)
}

/**
 * Opens a file for reading; the caller closes it. Never waits for the other end of a named pipe.
 * @throws {HoldfastError} CONFIGURATION when it is not a regular file.
 * @throws the error of the system.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Windows lacks this flag, which leaves the mode as it is.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (found.isFile()) return file
    throw refused(path, found.isDirectory() ? 'it is a directory' : 'it is not a regular file')
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The error for a file that could not be read: what `readRegularFile` refused as it is, and an error of the system in words. */
export function unreadableFile(path: string, cause: unknown, hints: readonly string[] = [shellCommand`ls -l ${path}`]): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const errno = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  return new HoldfastError('CONFIGURATION', `cannot read "${path}": ${REASONS[errno ?? ''] ?? errno ?? 'the system gives no reason'}`, {
    hints,
    details: {path, ...(errno === undefined ? {} : {errno})},
    cause,
  })
}

async function readWhole(path: string, {maxBytes, signal}: ReadLimits): Promise<Buffer> {
  const file = await openRegularFile(path)
  try {
    const {size} = await file.stat()
    const collected = new ByteCollector(maxBytes)
    const buffer = Buffer.allocUnsafe(Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, size + 1)))
    // The size only says what to expect: a file grows, and one under /proc has none.
    for (let isWithin = size <= maxBytes; isWithin; ) {
      signal?.throwIfAborted()
      const {bytesRead} = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return collected.bytes
      isWithin = collected.add(buffer.subarray(0, bytesRead))
    }
    throw refused(path, `it has more than ${maxBytes} bytes`)
  } finally {
    await file.close()
  }
}

function refused(path: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot read "${path}": ${reason}`, {hints: [shellCommand`ls -lL ${path}`], details: {path}})
}
