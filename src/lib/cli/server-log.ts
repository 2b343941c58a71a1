/** What a server did, one line an event; its causes stay on this machine and go under the request id that the client was told. */
import {excerpt, shorten} from '../core/redaction.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {FailureEvent, RequestEvent} from '../server/server-events.ts'
import {formatBytes} from './units.ts'

const MAX_REASON_CHARACTERS = 1000
const MAX_PATH_CHARACTERS = 300
const MAX_CAUSES = 4

export function describeServerEvent(event: RequestEvent | FailureEvent): TerminalText {
  if (event.type === 'failure') {
    return text`${new Date().toISOString()} failure ${event.requestId}: ${excerpt(reasonOf(event.error), MAX_REASON_CHARACTERS)}`
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

/** The message of an error, and of its causes where they say more. */
function reasonOf(error: unknown): string {
  const messages: string[] = []
  for (let next = error; next !== undefined && messages.length < MAX_CAUSES; next = next instanceof Error ? next.cause : undefined) {
    const message = next instanceof Error ? next.message : String(next)
    if (!messages.some((known) => known.includes(message))) messages.push(message)
  }
  return messages.join(': ')
}
