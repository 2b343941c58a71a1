/** How long to wait for another process that writes. */
export const BUSY_TIMEOUT_MS = 5_000
/** Pause before asking again for a lock that SQLite does not wait for by itself. */
export const LOCK_RETRY_MS = 5
