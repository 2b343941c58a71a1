/** Waiting for what comes about by itself. */
import {setTimeout as sleep} from 'node:timers/promises'
import {PATIENCE_MS} from './patience.ts'

const POLL_MS = 20

/** @throws {Error} when it has not come about in time. */
export async function until(isSo: () => boolean | Promise<boolean>, patienceMs = PATIENCE_MS): Promise<void> {
  for (const end = Date.now() + patienceMs; ; await sleep(POLL_MS)) {
    if (await isSo()) return
    if (Date.now() > end) throw new Error('it does not come about')
  }
}
