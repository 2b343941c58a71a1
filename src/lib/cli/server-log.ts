/** What a server did, one line an event; its causes stay on this machine and go under the request id that the client was told. */
import {excerpt, shorten} from '../core/redaction.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {FailureEvent, RequestEvent} from '../server/server-events.ts'
import {formatBytes} from './units.ts'

const MAX_REASON_CHARACTERS = 1000
const MAX_PATH_CHARACTERS = 300

export function describeServerEvent(event: RequestEvent | FailureEvent): TerminalText {
  if (event.type === 'failure') {
    const reason = event.error instanceof Error ? event.error.message : String(event.error)
    return text`${new Date().toISOString()} failure ${event.requestId}: ${excerpt(reason, MAX_REASON_CHARACTERS)}`
  }
  const bytes = [
    ...(event.receivedBytes > 0 ? [`${formatBytes(event.receivedBytes)} in`] : []),
    ...(event.sentBytes > 0 ? [`${formatBytes(event.sentBytes)} out`] : []),
    ...(event.isCutShort ? ['cut short'] : []),
  ]
  const facts = [
    `${event.method} ${shorten(event.path, MAX_PATH_CHARACTERS)} ${event.status}`,
    ...bytes,
    `${event.durationMs.toFixed(1)} ms`,
  ]
  return text`${new Date().toISOString()} ${facts.join(', ')}`
}
