/** Items of the keychain in this very process, for a program that answers one question and may be killed then. */
import {ItemError, type ItemStore} from './item-store.ts'

export interface GuardOptions {
  /** Settles once it is known whether asking can block this process; the keychain is not asked before. */
  readonly ready: Promise<void>
  /** Milliseconds for each request. */
  readonly timeoutMs: number
  /** Told that a request was given up: it still holds a thread, for which the end of the process would wait. */
  readonly onAbandoned: () => void
}

/** Limits the time that requests take. */
export function createGuardedItems(items: ItemStore, {ready, timeoutMs, onAbandoned}: GuardOptions): ItemStore {
  // Who never asks never learns that it would have failed.
  ready.catch(() => {})
  const limit = async <T>(request: () => Promise<T>): Promise<T> => {
    await ready
    const {promise, reject} = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      onAbandoned()
      reject(new ItemError('timeout', `it has not answered for ${timeoutMs / 1000} s`))
    }, timeoutMs)
    return await Promise.race([request(), promise]).finally(() => clearTimeout(timer))
  }
  return {
    readItem: (name) => limit(() => items.readItem(name)),
    writeItem: (name, value) => limit(() => items.writeItem(name, value)),
    deleteItem: (name) => limit(() => items.deleteItem(name)),
  }
}
