/** How long to wait for another process that holds the lock and commits nothing. */
export const BUSY_TIMEOUT_MS = 5_000
/** How long to wait for the lock in all, while other processes commit one after the other. */
export const LOCK_TIMEOUT_MS = 60_000
/** Pause before asking again for a lock that SQLite does not wait for by itself. */
export const LOCK_RETRY_MS = 5
