/** Entries of the audit log for other programs: a JSON object a line, or syslog's own form (RFC 5424). */
import type {AuditRow} from '../collector/store.ts'
import {escapeText, type TerminalText, text} from '../core/terminal-text.ts'

/** RFC 5424 §6.2.1: facility 13 is the audit log; severity 6 informs, 4 warns. */
const FACILITY = 13
const INFORMATIONAL = 6
const WARNING = 4
/** RFC 5424 §7.2.2: the number that is kept free for those who have none of their own. */
const STRUCTURE = 'audit@32473'

export function formatJsonLine(entry: AuditRow): TerminalText {
  return escapeText(JSON.stringify(entry))
}

/** `<110>1 2026-11-21T12:00:00.000Z host holdfast - pull [audit@32473 who="ann" …] -` */
export function formatSyslog(entry: AuditRow, host: string): TerminalText {
  const {at, principal, address, action, object, outcome, rule, reason, requestId} = entry
  const priority = FACILITY * 8 + (outcome === 'granted' ? INFORMATIONAL : WARNING)
  const parameters = Object.entries({
    who: principal,
    from: address,
    action,
    object,
    outcome,
    rule,
    ...(reason === undefined ? {} : {reason}),
    request: requestId,
  })
    .map(([name, value]) => `${name}="${escapeParameter(value)}"`)
    .join(' ')
  return text`<${priority}>1 ${at} ${host || '-'} holdfast - ${messageId(action)} [${STRUCTURE} ${parameters}]`
}

/** §6.2.7: up to 32 printable ASCII characters without spaces. */
function messageId(action: string): string {
  return action.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 32) || '-'
}

/** §6.3.3, of the value as it is shown: what would end the line, or hide in it, is an escape. */
function escapeParameter(value: string): string {
  return escapeText(value).replaceAll(/["\\\]]/g, '\\$&')
}
