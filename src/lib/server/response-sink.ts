/**
 * The sink of a pull: slices go to the socket as they are, and each is released under its write's callback, since only then has the kernel taken the bytes.
 * (While the answer to an earlier pipelined request is unfinished, Node queues the slice itself; the callback covers that too.) When the client is gone nobody needs them any
 * more, and not every callback comes then.
 */
import type {ByteSink} from '../core/byte-sink.ts'
import type {Exchange} from './exchange.ts'

/** Bytes handed over and not taken by the kernel beyond which the store is asked to wait; two buffers of a store's read loop fit below it. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024
/** The same in slices: slices of one byte cost a hundred times their bytes. */
const HIGH_WATER_SLICES = 4096

/** Makes the sink of an answer whose status and headers are set and whose body has not begun. */
export function createResponseSink({response, traffic}: Exchange): ByteSink {
  let pending = 0
  const held = new Set<() => void>()
  response.once('close', () => {
    for (const giveBack of held) giveBack()
  })
  return {
    write(chunk, release) {
      if (response.destroyed) {
        release()
        return true
      }
      const giveBack = (): void => {
        if (!held.delete(giveBack)) return
        pending -= chunk.length
        release()
      }
      held.add(giveBack)
      pending += chunk.length
      traffic.sent += chunk.length
      response.write(chunk, giveBack)
      return pending < HIGH_WATER_BYTES && held.size < HIGH_WATER_SLICES
    },
  }
}
