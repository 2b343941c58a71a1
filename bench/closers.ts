/** What must be undone when the benchmark ends, however it ends. */

export interface Closers {
  add(close: () => Promise<void>): void
  /** Undoes what was added after the first `keep`, the newest first; all of it by default. One that fails does not keep the others. */
  close(keep?: number): Promise<void>
  readonly count: number
}

export function createClosers(onError: (error: unknown) => void): Closers {
  const closers: (() => Promise<void>)[] = []
  return {
    add: (close) => void closers.push(close),
    async close(keep = 0) {
      for (const close of closers.splice(keep).toReversed()) await close().catch(onError)
    },
    get count() {
      return closers.length
    },
  }
}
