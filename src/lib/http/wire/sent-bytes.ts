/** How much of what was written to a socket has left this process. */
import type {Socket} from 'node:net'

/**
 * Bytes that the system has taken from a socket. Node tells only when a whole write was taken, which says nothing of a large one, so that this asks what Node's own
 * idle time-out asks: the queue below the socket. Whole writes are counted where that is not to be had.
 */
export function sentBytes(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  const written = numberIn(handle, 'bytesWritten')
  const queued = numberIn(lowest(handle), 'writeQueueSize')
  return written === undefined || queued === undefined ? socket.bytesWritten - socket.writableLength : written - queued
}

/** TLS lies on top of the connection that has the queue. */
function lowest(handle: unknown): unknown {
  const below: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, '_parent') : undefined
  return typeof below === 'object' && below !== null ? lowest(below) : handle
}

function numberIn(handle: unknown, name: string): number | undefined {
  const value: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, name) : undefined
  return typeof value === 'number' ? value : undefined
}
