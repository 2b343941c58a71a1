/** Apps as people read them. */
import type {AppStatus} from '../apps/app-status.ts'
import type {AppCheck} from '../apps/check-app.ts'
import type {ReleaseUnderWay} from '../apps/platform.ts'
import type {Refresh} from '../apps/refresh-app.ts'
import {isNamedAsCopy} from '../apps/running.ts'
import type {StageOutcome} from '../apps/stage-app.ts'
import type {App} from '../collector/objects.ts'
import {shellCommand} from '../core/shell.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import type {EachApp} from './each-app.ts'
import {describeInstances} from './rollout-flags.ts'
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
    status?.source ?? '-',
    status?.image === undefined ? '-' : shortenDigest(status.image),
    status?.stagedAt === undefined ? '-' : formatMinute(status.stagedAt),
    responsibles?.join(', ') || '-',
    publications?.join(', ') || '-',
  ])
  return formatTable(['APP', 'STATE', 'SOURCE', 'RUNS', 'SINCE (UTC)', 'RESPONSIBLES', 'PUBLICATIONS'], table)
}

const UNDER_WAY: Readonly<Record<ReleaseUnderWay['state'], string>> = {
  deploying: 'deploying',
  failing: 'deployment fails',
  paused: 'canary paused',
  canceling: 'deployment is being cancelled',
}

/** As much of a digest as tells images apart; `app show` shows the whole. */
function shortenDigest(image: string): string {
  return image.replace(/(@sha(?:256|512):[0-9a-f]{12})[0-9a-f]+$/, '$1…')
}

/** `cached, pinned, moved`. */
function describeState({app, hasOptedIn, isCached, isPinned, drift, image, source, isStopped, underWay}: AppStatus): string {
  const unknown = hasOptedIn === undefined ? [`opt-in unknown: ${shellCommand`holdfast env ${app}`}`] : []
  if (image === undefined) return [hasOptedIn ? 'opted in, no image yet' : 'no image yet', ...unknown].join(', ')
  const parts = [
    isCached ? 'cached' : hasOptedIn ? `opted in, not cached: ${stageCommand(app, image)}` : 'not cached',
    isPinned ? 'pinned' : 'not pinned',
  ]
  parts.push(...unknown)
  if (isStopped) parts.push('stopped')
  if (underWay !== undefined) parts.push(UNDER_WAY[underWay.state])
  if (isCached && source === undefined) parts.push('nothing says what it is a copy of')
  if (drift === 'moved') parts.push('the source has moved')
  if (drift === 'unknown') parts.push('the source cannot be asked')
  return parts.join(', ')
}

/** What has the name of a copy may be one whose source is not known any more: its image is to be named. */
function stageCommand(app: string, image: string): string {
  const stage = shellCommand`holdfast stage ${app}`
  return isNamedAsCopy(image) ? `${stage} --image IMAGE` : stage
}

export function describeStatus(status: AppStatus): readonly TerminalText[] {
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['state', describeState(status)],
    // While it is moved, its old instances run until new ones do.
    [isMoving(status) ? 'moves to' : status.isStopped ? 'starts with' : 'runs', status.image],
    ['source', status.source],
    ['source digest', status.sourceDigest],
    ['source now', status.drift === 'moved' ? status.currentDigest : undefined],
    ['staged', status.stagedAt],
    [
      'previous',
      status.isPreviousGone ? `${status.previous}, which the platform has deleted: rollback cannot go back to it` : status.previous,
    ],
    ['deployment', describeUnderWay(status)],
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [text`${`${name}:`.padEnd(16)}${value}`]))
}

function isMoving({underWay}: AppStatus): boolean {
  return underWay !== undefined && underWay.state !== 'canceling'
}

/** What is under way, and the command that goes on or back. */
function describeUnderWay({app, underWay}: AppStatus): string | undefined {
  if (underWay === undefined) return undefined
  const {state, instances, error} = underWay
  const counts = instances === undefined ? [] : [`new instances: ${describeInstances(instances)}`]
  const said = error === undefined ? [] : [`the platform says: ${error}`]
  const next =
    state === 'canceling'
      ? []
      : state === 'paused'
        ? [`to go on: ${shellCommand`cf continue-deployment ${app}`}`, `to go back: ${shellCommand`holdfast rollback ${app}`}`]
        : [`to cancel it: ${shellCommand`holdfast rollback ${app}`}`]
  return [UNDER_WAY[state], ...counts, ...said, ...next].join('; ')
}

export function describeOutcome({app, action, image, source, isRestored, underWay}: StageOutcome): TerminalText {
  if (underWay !== undefined) return text`app "${app}" is being moved to ${image ?? 'its new release'}`
  if (action === 'cached') return text`app "${app}" runs a cached copy of ${source ?? image ?? ''}`
  if (isRestored) return text`app "${app}" runs its cached copy as before; parts of it were gone from the cache, and were put back`
  if (action === 'unchanged') return text`app "${app}" ran its cached copy before: nothing to do`
  if (action === 'uncached') return text`app "${app}" has opted out and runs ${image ?? 'nothing yet'}`
  return text`app "${app}" has not opted in: holdfast set-env ${app} DIEGO_DOCKER_CACHE true`
}

/** How many names a line of many apps shows. */
const MAX_NAMES = 10

/** A line for each reason, with the apps that were left alone for it. */
export function describeSkipped(skipped: NonNullable<EachApp<unknown>['skipped']>): readonly TerminalText[] {
  const namesOf = (reason: (typeof skipped)[number]['reason']): readonly string[] =>
    skipped.filter((one) => one.reason === reason).map(({app}) => app)
  const line = (names: readonly string[], why: string): readonly TerminalText[] => {
    if (names.length === 0) return []
    const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : ''
    return [text`skipped ${formatCount(names.length, 'app')} ${why}: ${names.slice(0, MAX_NAMES).join(', ')}${more}`]
  }
  return [
    ...line(namesOf('not-opted-in'), 'without the opt-in (holdfast set-env APP DIEGO_DOCKER_CACHE true)'),
    ...line(namesOf('no-image'), 'that opted in and run no image, since they are built from source code'),
  ]
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

/** The command that helps each app that would not start, where there is one. */
export function repairHints(checks: readonly AppCheck[]): readonly string[] {
  return checks.flatMap(({app, space, verdict, isCached}) => {
    const where = space === undefined ? '' : `   # in space ${space}`
    if (!isCached) return []
    if (verdict === 'gone') return [`${shellCommand`holdfast stage ${app}`}${where}`]
    if (verdict === 'refused')
      return [`${shellCommand`holdfast rotate-credentials ${app}`} --pull-username NAME --pull-password-stdin < FILE${where}`]
    return []
  })
}

export function describeChecks(checks: readonly AppCheck[]): readonly TerminalText[] {
  const rows = checks.map(({app, space, verdict, image}) => [
    space === undefined ? app : `${app} (${space})`,
    VERDICTS[verdict],
    image ?? '-',
  ])
  return formatTable(['APP', 'TODAY', 'IMAGE'], rows)
}
