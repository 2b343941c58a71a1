/** Moving an app from what it runs to another release: the note says what is going on before it does, and is completed afterwards, so that a run can stop anywhere. */
import type {StepListener} from '../core/step.ts'
import type {AppNote, Platform, PlatformApp, Release, UnderWay} from './platform.ts'
import {type Running, releaseBefore} from './running.ts'

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
  await platform.writeNote(app, {...settledNote(app, running), pending: {to: to.id, ...before}})
  const underWay = await platform.activate(app, to, onStep)
  if (underWay !== undefined) return underWay
  const staged = to.staged ?? note?.staged
  const moved: AppNote = {
    release: to.id,
    ...(staged === undefined ? {} : {staged}),
    ...before,
  }
  await platform.writeNote(app, moved)
  return undefined
}

/** Completes the note of an app whose last move was stopped, or that another tool has moved; writes nothing where it is right. */
export async function completeNote(app: PlatformApp, running: Running, platform: Platform): Promise<void> {
  if (running.kind !== 'copy') return
  if (!running.isMarked) await platform.mark(app, running.release, running.staged)
  const {note} = app
  if (note?.pending === undefined && note?.release === running.release && note.staged?.cached === running.staged.cached) return
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
