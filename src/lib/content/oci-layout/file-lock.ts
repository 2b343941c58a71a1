/** A lock between processes, for changes that take milliseconds: a file that only one of them can make. */
import {randomUUID} from 'node:crypto'
import {rename, rm, stat, writeFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'
import {readRegularFile} from '../../core/regular-file.ts'
import {shellCommand} from '../../core/shell.ts'

const RETRY_MS = 10
/** A lock older than this was left by a process that died. */
const STALE_MS = 10_000
/** What a holder writes into it is a UUID. */
const MAX_LOCK_BYTES = 64
/** Waiting longer than this means that something else is wrong. */
const PATIENCE_MS = 30_000

/**
 * Runs `change` while holding the lock. `change` calls `confirm` right before what must not happen twice at once.
 * @throws {HoldfastError} CONFLICT when the lock cannot be had, or was lost because this process stood still for too long.
 */
export async function withFileLock<T>(path: string, change: (confirm: () => Promise<void>) => Promise<T>): Promise<T> {
  const token = randomUUID()
  await take(path, token)
  const isOurs = async (): Promise<boolean> =>
    await readRegularFile(path, {maxBytes: MAX_LOCK_BYTES}).then(
      (bytes) => bytes.toString('utf8') === token,
      () => false,
    )
  try {
    return await change(async () => {
      if (!(await isOurs())) throw lockError(path, 'another process took the lock')
    })
  } finally {
    if (await isOurs()) await rm(path, {force: true})
  }
}

async function take(path: string, token: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await writeFile(path, token, {flag: 'wx'})
      return
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
    await breakStale(path)
    if (performance.now() > giveUpAt) throw lockError(path, 'another process holds the lock')
    await delay(RETRY_MS)
  }
}

/** Of several that find the lock stale, one moves it away; should that be a fresh one after all, its holder finds out before it writes. */
async function breakStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || Date.now() - found.mtimeMs < STALE_MS) return
  const grave = `${path}.${randomUUID()}`
  await rename(path, grave).catch(() => undefined)
  await rm(grave, {force: true})
}

function lockError(path: string, reason: string): HoldfastError {
  return new HoldfastError('CONFLICT', `cannot change image layout "${path}": ${reason}`, {
    hints: [shellCommand`rm ${path}  # if no other process is writing`],
  })
}
