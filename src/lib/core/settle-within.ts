/** Waiting with a bound, for what has to end and may not. */

/** Returns whether a promise settles within `ms`, and how it settles is the caller's to look at: a rejection is no failure of this. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const {promise: late, resolve} = Promise.withResolvers<false>()
  const timer = setTimeout(() => resolve(false), ms)
  const settled = promise.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waits for a promise, but no longer than until the signal fires; what is under way then goes on, and nothing waits for it.
 * @throws the reason of the signal, or what the promise rejects with.
 */
export async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return await promise
  promise.catch(() => {})
  signal.throwIfAborted()
  const {promise: aborted, reject} = Promise.withResolvers<never>()
  const stop = (): void => reject(signal.reason)
  signal.addEventListener('abort', stop, {once: true})
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
