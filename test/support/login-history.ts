/** A login history in memory, as the collector's store keeps one. */
import type {Failures, LoginHistory} from '../../src/lib/accounts/throttle.ts'

export interface MemoryLoginHistory extends LoginHistory {
  readonly failures: ReadonlyMap<string, Failures>
}

export function createLoginHistory(): MemoryLoginHistory {
  const failures = new Map<string, Failures>()
  const successes = new Map<string, number>()
  return {
    failures,
    readFailures: async (keys) => new Map([...failures].filter(([key]) => keys.includes(key))),
    async addFailure(keys, at, forgottenBefore) {
      for (const key of keys) failures.set(key, {count: (failures.get(key)?.count ?? 0) + 1, lastAt: at})
      for (const [key, {lastAt}] of failures) if (lastAt < forgottenBefore) failures.delete(key)
    },
    async clearFailures(keys) {
      for (const key of keys) failures.delete(key)
    },
    readSuccess: async (key) => successes.get(key),
    async noteSuccess(key, at, forgottenBefore) {
      successes.set(key, at)
      for (const [other, lastAt] of successes) if (lastAt < forgottenBefore) successes.delete(other)
    },
  }
}
