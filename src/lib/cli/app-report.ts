/** Apps as people read them. */
import type {AppStatus} from '../apps/app-status.ts'
import type {AppCheck} from '../apps/check-app.ts'
import type {Refresh} from '../apps/refresh-app.ts'
import type {StageOutcome} from '../apps/stage-app.ts'
import type {App} from '../collector/objects.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import {formatTable} from './table.ts'
import {formatBytes, formatCount, formatMinute} from './units.ts'

/** An app as the collector has it, and as the platform does; either may not know it. */
export interface AppRow extends Partial<App> {
  readonly code: string
  readonly status?: AppStatus
}

export function describeAppRows(rows: readonly AppRow[]): readonly TerminalText[] {
  const table = rows.map(({code, responsibles, publications, status}) => [
    code,
    status === undefined ? '-' : describeState(status),
    status?.source ?? status?.image ?? '-',
    status?.stagedAt === undefined ? '-' : formatMinute(status.stagedAt),
    responsibles?.join(', ') || '-',
    publications?.join(', ') || '-',
  ])
  return formatTable(['APP', 'STATE', 'IMAGE', 'SINCE (UTC)', 'RESPONSIBLES', 'PUBLICATIONS'], table)
}

/** `cached, pinned, moved`. */
function describeState({hasOptedIn, isCached, isPinned, drift, image, source}: AppStatus): string {
  if (image === undefined) return hasOptedIn ? 'opted in, no image yet' : 'no image yet'
  const parts = [
    isCached ? 'cached' : hasOptedIn ? 'opted in, not cached: holdfast stage' : 'not cached',
    isPinned ? 'pinned' : 'not pinned',
  ]
  if (isCached && source === undefined) parts.push('nothing says what it is a copy of')
  if (drift === 'moved') parts.push('the source has moved')
  if (drift === 'unknown') parts.push('the source cannot be asked')
  return parts.join(', ')
}

export function describeStatus(status: AppStatus): readonly TerminalText[] {
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['state', describeState(status)],
    ['runs', status.image],
    ['source', status.source],
    ['source digest', status.sourceDigest],
    ['source now', status.drift === 'moved' ? status.currentDigest : undefined],
    ['staged', status.stagedAt],
    ['previous', status.previous],
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [text`${`${name}:`.padEnd(16)}${value}`]))
}

export function describeOutcome({app, action, image, source}: StageOutcome): TerminalText {
  if (action === 'cached') return text`app "${app}" runs a cached copy of ${source ?? image ?? ''}`
  if (action === 'unchanged') return text`app "${app}" ran its cached copy before: nothing to do`
  if (action === 'uncached') return text`app "${app}" has opted out and runs ${image ?? 'nothing yet'}`
  return text`app "${app}" has not opted in: holdfast set-env ${app} DIEGO_DOCKER_CACHE true`
}

export function describeRefresh(refresh: Refresh): TerminalText {
  const {app, source, oldDigest, newDigest, hasMoved, newLayers, goneLayers, newBytes, oldSizeBytes, newSizeBytes} = refresh
  if (!hasMoved) return text`app "${app}": ${source} is still ${oldDigest}`
  const layers = `${formatCount(newLayers, 'new layer')} of ${formatBytes(newBytes)}, ${goneLayers} gone`
  return text`app "${app}": ${source} has moved: ${oldDigest} → ${newDigest}; ${layers}; ${formatBytes(oldSizeBytes)} → ${formatBytes(newSizeBytes)}`
}

const VERDICTS: Readonly<Record<AppCheck['verdict'], string>> = {
  pullable: 'would start',
  gone: 'would not start: its image is gone',
  refused: 'would not start: its registry refuses it',
  unreachable: 'would not start: its registry cannot be reached',
  unknown: 'not known',
}

export function describeChecks(checks: readonly AppCheck[]): readonly TerminalText[] {
  const rows = checks.map(({app, space, verdict, image}) => [
    space === undefined ? app : `${app} (${space})`,
    VERDICTS[verdict],
    image ?? '-',
  ])
  return formatTable(['APP', 'TODAY', 'IMAGE'], rows)
}
