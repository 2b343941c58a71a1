/** Waiting for the write lock among many processes. */
import type {DatabaseSync} from 'node:sqlite'
import {isBusy} from './failure.ts'
import {LOCK_TIMEOUT_MS} from './limits.ts'

/** Runs `work`, which must change nothing when it throws. */
export type BusyRetry = <T>(work: () => T) => T

/**
 * Returns a function that runs its work again when SQLite has waited for the lock in vain (`BUSY_TIMEOUT_MS`) and other processes committed meanwhile. SQLite's lock has no
 * queue: among many writers on a busy machine one is passed over again and again, though none of them holds the lock for long. A process that holds it and commits nothing is
 * waited for once; all waits together end after `LOCK_TIMEOUT_MS`.
 */
export function createBusyRetry(connection: DatabaseSync, timeoutMs = LOCK_TIMEOUT_MS): BusyRetry {
  // Changes with every commit of another connection (sqlite.org/pragma.html#pragma_data_version).
  const statement = connection.prepare('PRAGMA data_version')
  const commits = (): unknown => statement.get()?.data_version
  return (work) => {
    // The lock is held already.
    if (connection.isTransaction) return work()
    const deadline = performance.now() + timeoutMs
    for (let before = commits(); ; ) {
      try {
        return work()
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error
        const now = commits()
        if (now === before) throw error
        before = now
      }
    }
  }
}
