/** What a server did, one line an event; its causes stay on this machine and go under the request id that the client was told. */
import {printable} from '../core/redaction.ts'
import type {FailureEvent, RequestEvent} from '../server/server-events.ts'
import {formatBytes} from './units.ts'

export function describeServerEvent(event: RequestEvent | FailureEvent): string {
  if (event.type === 'failure') {
    const reason = event.error instanceof Error ? event.error.message : String(event.error)
    return `${new Date().toISOString()} failure ${event.requestId}: ${printable(reason, 1000)}`
  }
  const bytes = [
    ...(event.receivedBytes > 0 ? [`${formatBytes(event.receivedBytes)} in`] : []),
    ...(event.sentBytes > 0 ? [`${formatBytes(event.sentBytes)} out`] : []),
    ...(event.isCutShort ? ['cut short'] : []),
  ]
  const facts = [`${event.method} ${printable(event.path)} ${event.status}`, ...bytes, `${event.durationMs.toFixed(1)} ms`]
  return `${new Date().toISOString()} ${facts.join(', ')}`
}
