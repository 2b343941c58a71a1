/** Writing a file so that whoever reads it sees the old one or the new one, whole, even after a crash. */
import {randomUUID} from 'node:crypto'
import {open, rename, rm} from 'node:fs/promises'
import {dirname} from 'node:path'
import {HoldfastError} from './errors.ts'
import {makeDirectory} from './make-directory.ts'
import {shellCommand} from './shell.ts'

/**
 * Replaces `file` with `text`: temporary file beside it, fsync, rename. Missing folders are made.
 * @throws {HoldfastError} STORAGE when the disk is full, read-only or not permitted; nothing is left behind.
 */
export async function writeFileAtomically(file: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    await makeDirectory(dirname(file))
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (cause) {
    await rm(temporary, {force: true}).catch(() => {})
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HoldfastError('STORAGE', `cannot write "${file}": ${reason}`, {
      hints: [shellCommand`ls -ld ${dirname(file)}; df -h ${dirname(file)}`],
      cause,
    })
  }
}
