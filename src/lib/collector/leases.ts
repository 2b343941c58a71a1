/** Which process of a collector does what only one of them should. */
import {randomUUID} from 'node:crypto'
import {HoldfastError} from '../core/errors.ts'
import type {Clock} from '../core/retry.ts'
import type {DocumentStore} from './store.ts'

/** A replica that has died keeps others from it for so long. */
const LEASE_MS = 5 * 60_000
/** A lease is renewed when a third of its life has passed. */
const RENEWALS_PER_LIFE = 3
/** How often a lease that another process has is asked for. */
const POLL_MS = 500

interface HeldLease {
  /** Returns whether it is still held: it is not when another process took it after its end. */
  renew(): Promise<boolean>
  release(): Promise<void>
}

export interface Leases {
  /** Takes the lease of an object for so long, or answers undefined when another replica has it; what is answered gives it back sooner. */
  tryLock(object: string, lifeMs?: number): Promise<(() => Promise<void>) | undefined>
  /** The same for work that may take longer than a lease lives. */
  acquire(object: string, lifeMs: number): Promise<HeldLease | undefined>
}

interface Lease {
  readonly holder: string
  /** ISO 8601. */
  readonly until: string
}

/** Locks that end by themselves: one replica of a collector does a thing, and another takes over when that one has died. @param kind Tells the things apart. */
export function createLeases(store: DocumentStore, now: () => Date, kind: string): Leases {
  const holder = randomUUID()
  const acquire: Leases['acquire'] = async (object, lifeMs) => {
    const name = `${kind} ${object}`
    const previous = await store.readDocument(name)
    const lease: Lease | undefined = previous === undefined ? undefined : JSON.parse(previous)
    if (lease !== undefined && lease.holder !== holder && lease.until > now().toISOString()) return undefined
    const lasting = (ms: number): string => JSON.stringify({holder, until: new Date(now().getTime() + ms).toISOString()} satisfies Lease)
    let content = lasting(lifeMs)
    if (!(await store.replaceDocument(name, previous, content))) return undefined
    return {
      async renew() {
        const next = lasting(lifeMs)
        if (!(await store.replaceDocument(name, content, next))) return false
        content = next
        return true
      },
      async release() {
        await store.replaceDocument(name, content, lasting(0))
      },
    }
  }
  return {
    acquire,
    async tryLock(object, lifeMs = LEASE_MS) {
      const held = await acquire(object, lifeMs)
      return held === undefined ? undefined : () => held.release()
    },
  }
}

export interface LeasedWork {
  readonly leases: Leases
  readonly object: string
  /** How long a process that has died keeps others from it. */
  readonly lifeMs: number
  /** How long another process is waited for. */
  readonly waitMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** What is thrown when another process has it, or has taken it meanwhile. */
  readonly busy: () => HoldfastError
}

/**
 * Works under a lease that is renewed for as long as the work takes; the work is told to end when it is lost.
 * @throws {HoldfastError} `busy`; INTERRUPTED while it waits; what the work throws.
 */
export async function workUnderLease<Result>(
  {leases, object, lifeMs, waitMs, clock, signal, busy}: LeasedWork,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const giveUpAtMs = clock.now() + waitMs
  let held = await leases.acquire(object, lifeMs)
  while (held === undefined) {
    if (clock.now() >= giveUpAtMs) throw busy()
    await clock.sleep(POLL_MS, signal)
    held = await leases.acquire(object, lifeMs)
  }
  const ended = new AbortController()
  const lost = new AbortController()
  const renewing = keepRenewing(held, {lifeMs, clock, ended: ended.signal}).then((isHeld) => {
    if (!isHeld) lost.abort()
  })
  try {
    const result = await work(signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
    if (lost.signal.aborted) throw busy()
    return result
  } finally {
    ended.abort()
    await renewing
    await held.release().catch((error: unknown) => {
      // It ends by itself, and what the work came to counts.
      if (!(error instanceof HoldfastError)) throw error
    })
  }
}

/** Returns false when the lease was lost, true when the work has ended before. A store that does not answer has until the end of the lease. */
async function keepRenewing(
  held: HeldLease,
  {lifeMs, clock, ended}: {readonly lifeMs: number; readonly clock: Clock; readonly ended: AbortSignal},
): Promise<boolean> {
  let renewedAtMs = clock.now()
  for (;;) {
    const isEnded = await clock.sleep(lifeMs / RENEWALS_PER_LIFE, ended).then(
      () => false,
      () => true,
    )
    if (isEnded) return true
    const startedAtMs = clock.now()
    try {
      if (!(await held.renew())) return false
      renewedAtMs = startedAtMs
    } catch (error) {
      if (!(error instanceof HoldfastError) || clock.now() - renewedAtMs >= lifeMs) return false
    }
  }
}
