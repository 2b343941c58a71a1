/** Which replica of a collector does what only one of them should. */
import {randomUUID} from 'node:crypto'
import type {DocumentStore} from './store.ts'

/** A replica that has died keeps others from it for so long. */
const LEASE_MS = 5 * 60_000

export interface Leases {
  /** Takes the lease of an object for so long, or answers undefined when another replica has it; what is answered gives it back sooner. */
  tryLock(object: string, lifeMs?: number): Promise<(() => Promise<void>) | undefined>
}

interface Lease {
  readonly holder: string
  /** ISO 8601. */
  readonly until: string
}

/** Locks that end by themselves: one replica of a collector does a thing, and another takes over when that one has died. @param kind Tells the things apart. */
export function createLeases(store: DocumentStore, now: () => Date, kind: string): Leases {
  const holder = randomUUID()
  return {
    async tryLock(object, lifeMs = LEASE_MS) {
      const name = `${kind} ${object}`
      const previous = await store.readDocument(name)
      const lease: Lease | undefined = previous === undefined ? undefined : JSON.parse(previous)
      if (lease !== undefined && lease.holder !== holder && lease.until > now().toISOString()) return undefined
      const content = JSON.stringify({holder, until: new Date(now().getTime() + lifeMs).toISOString()} satisfies Lease)
      if (!(await store.replaceDocument(name, previous, content))) return undefined
      return async () => {
        await store.replaceDocument(name, content, JSON.stringify({holder, until: now().toISOString()} satisfies Lease))
      }
    },
  }
}
