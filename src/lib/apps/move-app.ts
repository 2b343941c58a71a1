/** Moving an app from what it runs to another release: the note says what is going on before it does, and is completed afterwards, so that a run can stop anywhere. */
import type {StepListener} from '../core/step.ts'
import type {AppNote, Platform, PlatformApp, Release, UnderWay} from './platform.ts'
import {isToBeStarted, type Running, releaseBefore} from './running.ts'

export interface Move {
  readonly app: PlatformApp
  readonly running: Running
  readonly to: Release
  /** What `rollback` goes back to afterwards. */
  readonly previous: string | undefined
}

/**
 * Moves the app; returns how far it is where the platform was not waited for. Stopped anywhere, {@link releaseBefore} still tells what it ran: the note of a move
 * that has not ended stays as it is, and the next run completes it.
 */
export async function moveApp(
  {app, running, to, previous}: Move,
  platform: Platform,
  onStep?: StepListener,
): Promise<UnderWay | undefined> {
  const {note} = app
  const before = previous === undefined ? {} : {previous}
  if (running.kind === 'copy' && !running.isMarked) await platform.mark(app, running.release, running.staged)
  const begun = {...settledNote(app, running), pending: {to: to.id, ...before}}
  const isStoppedForIt = isToBeStarted(app) || (platform.stopsApps && app.isStopped !== true)
  await platform.writeNote(app, isStoppedForIt ? {...begun, pending: {...begun.pending, wasStarted: true}} : begun)
  let underWay: UnderWay | undefined
  try {
    underWay = await platform.activate(app, to, onStep)
  } catch (error) {
    if (isStoppedForIt) await forgetStart(app, begun, platform)
    throw error
  }
  if (underWay !== undefined) {
    if (isStoppedForIt) await platform.writeNote(app, begun)
    return underWay
  }
  const staged = to.staged ?? note?.staged
  const moved: AppNote = {
    release: to.id,
    ...(staged === undefined ? {} : {staged}),
    ...before,
  }
  await platform.writeNote(app, moved)
  return undefined
}

/**
 * Starts an app that a move which was cut off has stopped, with the release that it has, and completes its note.
 * @returns undefined when there was nothing to start.
 */
export async function startAgain(
  app: PlatformApp,
  running: Running,
  platform: Platform,
  onStep?: StepListener,
): Promise<{readonly underWay?: UnderWay} | undefined> {
  if (!isToBeStarted(app)) return undefined
  let underWay: UnderWay | undefined
  try {
    underWay = await platform.start(app, onStep)
  } catch (error) {
    await forgetStart(app, settledNote(app, running), platform)
    throw error
  }
  await completeNote(app, running, platform)
  return underWay === undefined ? {} : {underWay}
}

/** After a failure: an app that was started nevertheless is not started again when its user stops it. */
async function forgetStart(app: PlatformApp, note: AppNote, platform: Platform): Promise<void> {
  try {
    const now = await platform.findApp(app.name)
    if (now.isStopped !== true) await platform.writeNote(app, note)
  } catch {
    // The failure before it is what the user has to know; the next run notes it.
  }
}

/** Completes the note of an app whose last move was stopped, or that another tool has moved; writes nothing where it is right. */
export async function completeNote(app: PlatformApp, running: Running, platform: Platform): Promise<void> {
  const {note} = app
  if (running.kind === 'copy' && !running.isMarked) await platform.mark(app, running.release, running.staged)
  const isRight = running.kind !== 'copy' || (note?.release === running.release && note.staged?.cached === running.staged.cached)
  if (note?.pending === undefined && isRight) return
  await platform.writeNote(app, settledNote(app, running))
}

/** What is true of an app that nothing moves. */
function settledNote({note}: PlatformApp, running: Running): AppNote {
  const release = releaseOf(running)
  const previous = releaseBefore(release, note)
  const staged = running.kind === 'copy' ? running.staged : note?.staged
  return {
    ...(staged === undefined ? {} : {staged}),
    ...(release === undefined ? {} : {release}),
    ...(previous === undefined ? {} : {previous}),
  }
}

/** The release that an app runs; undefined when it runs none. */
export function releaseOf(running: Running): string | undefined {
  return running.kind === 'nothing' ? undefined : running.release
}
