/** The signing keys of a collector, shared by its replicas: made once, rotated when they are due, known to each within a minute. */
import {isRotationDue, type KeyRing, makeKeyRing, rotateKeys} from '../tokens/signing-keys.ts'
import type {DocumentStore} from './store.ts'

const DOCUMENT = 'signing-keys'
/** A replica that has not seen a rotation signs with a key that is still known. */
const READ_AGAIN_MS = 60_000

export interface KeyRings {
  /** The ring that is in force. */
  current(): Promise<KeyRing>
  rotate(): Promise<KeyRing>
}

export function createKeyRings(store: DocumentStore, now: () => Date): KeyRings {
  let known: {readonly ring: Promise<KeyRing>; readonly readAt: number} | undefined
  const read = async (): Promise<KeyRing> => {
    const content = await store.readDocument(DOCUMENT)
    if (content === undefined) return await replace(undefined, () => makeKeyRing('Holdfast', now()))
    const ring: KeyRing = JSON.parse(content)
    return isRotationDue(ring, now()) ? await replace(content, () => rotateKeys(ring, now())) : ring
  }
  /** Another replica may be faster: then its ring counts. */
  const replace = async (previous: string | undefined, make: () => Promise<KeyRing>): Promise<KeyRing> => {
    const ring = await make()
    if (await store.replaceDocument(DOCUMENT, previous, JSON.stringify(ring))) return ring
    return await read()
  }
  return {
    current() {
      const at = now().getTime()
      if (known === undefined || at - known.readAt > READ_AGAIN_MS) {
        const ring = read()
        known = {ring, readAt: at}
        // A failure is not kept.
        ring.catch(() => {
          known = undefined
        })
      }
      return known.ring
    },
    async rotate() {
      const content = await store.readDocument(DOCUMENT)
      const ring = content === undefined ? await read() : await replace(content, () => rotateKeys(JSON.parse(content), now()))
      known = {ring: Promise.resolve(ring), readAt: now().getTime()}
      return ring
    },
  }
}
