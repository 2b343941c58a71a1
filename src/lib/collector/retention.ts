/** How long the collector keeps what grows without end: the audit log, events, logins that failed, and tokens that have expired. */
import {awaitedLater} from '../core/awaited-later.ts'
import {OWN_ACTOR} from './index-feed.ts'
import type {Leases} from './leases.ts'
import type {CollectorStore, DocumentStore, PurgedRecords} from './store.ts'

const DOCUMENT = 'retention'
const DAY_MS = 24 * 60 * 60_000
/** How often it is done; of the replicas on one database one does it. */
const PURGE_EVERY_MS = 60 * 60_000
const LEASE_MS = PURGE_EVERY_MS - 5 * 60_000
/** After a start there are other things to do. */
const FIRST_PURGE_MS = 60_000
/** Any client can fail to log in: of these entries only the newest are kept, whatever their age. */
const MAX_FAILED_LOGINS = 100_000
/** Failures and successes by account and address, beyond what they expire by. */
const MAX_LOGIN_KEYS = 100_000

export interface Retention {
  /** Days that entries of the audit log are kept. */
  readonly auditDays: number
  /** Days that events are kept; what they changed stays. */
  readonly eventDays: number
}

const DEFAULT_RETENTION: Retention = {auditDays: 365, eventDays: 90}
export const MAX_RETENTION_DAYS = 3_650

export async function readRetention(store: DocumentStore): Promise<Retention> {
  const content = await store.readDocument(DOCUMENT)
  return content === undefined ? DEFAULT_RETENTION : {...DEFAULT_RETENTION, ...JSON.parse(content)}
}

/** Writes again when another replica was faster. */
export async function changeRetention(store: DocumentStore, change: Partial<Retention>): Promise<Retention> {
  for (;;) {
    const previous = await store.readDocument(DOCUMENT)
    const retention: Retention = {...DEFAULT_RETENTION, ...(previous === undefined ? {} : JSON.parse(previous)), ...change}
    if (await store.replaceDocument(DOCUMENT, previous, JSON.stringify(retention))) return retention
  }
}

type PurgedStore = Pick<CollectorStore, 'readDocument' | 'replaceDocument' | 'purgeRecords' | 'appendAudit'>

/** Removes what is kept no longer, and writes into the audit log how much that was. */
export async function purgeNow(store: PurgedStore, now: Date): Promise<PurgedRecords> {
  const {auditDays, eventDays} = await readRetention(store)
  const before = (days: number): string => new Date(now.getTime() - days * DAY_MS).toISOString()
  const purged = await store.purgeRecords({
    auditBefore: before(auditDays),
    eventsBefore: before(eventDays),
    tokensBefore: now.toISOString(),
    maxFailedLogins: MAX_FAILED_LOGINS,
    maxLoginKeys: MAX_LOGIN_KEYS,
  })
  if (Object.values(purged).some((count) => count > 0)) {
    const entry = {requestId: '-', principal: OWN_ACTOR, address: '-', action: 'retention', object: JSON.stringify(purged)}
    await store.appendAudit([{...entry, outcome: 'granted', rule: '-'}])
  }
  return purged
}

export interface RetentionRun {
  /** Settles when nothing is removed any more. */
  stop(): Promise<void>
}

/** Does it every hour. */
export function startRetention(
  {store, leases, now}: {readonly store: PurgedStore; readonly leases: Leases; readonly now: () => Date},
  onError: (error: unknown) => void,
): RetentionRun {
  let running: Promise<void> = Promise.resolve()
  const purge = async (): Promise<void> => {
    if ((await leases.tryLock('all', LEASE_MS)) !== undefined) await purgeNow(store, now())
  }
  const run = (): void => {
    running = awaitedLater(running.then(purge).catch(onError))
  }
  const first = setTimeout(run, FIRST_PURGE_MS)
  const timer = setInterval(run, PURGE_EVERY_MS)
  first.unref()
  timer.unref()
  return {
    async stop() {
      clearTimeout(first)
      clearInterval(timer)
      await running
    },
  }
}
