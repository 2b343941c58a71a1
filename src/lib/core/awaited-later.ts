/** Work that starts now and is awaited later. */

/**
 * Returns `promise` itself, marked as handled. Without this, a rejection that comes before the first `await` of it ends the process.
 * The caller must still await it: that is where the failure shows.
 */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
