/**
 * What an app runs, and what that is a copy of: the one decision that every command on apps builds on.
 * The release tells its own source, whatever moved the app to it. The note of the app and the records of this machine speak only for releases of older versions, which say nothing.
 */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import {formatReference, parseReference, type Reference, type RegistryHost} from '../oci/reference.ts'
import {isGuid} from '../records/guid.ts'
import type {StagedImageRecord} from '../records/store.ts'
import type {AppNote, Platform, PlatformApp, Release} from './platform.ts'

export type Running =
  /** It has no image. */
  | {readonly kind: 'nothing'}
  /** The image that its user named; `release` is absent when it was pushed and never staged. */
  | {readonly kind: 'own'; readonly image: string; readonly release?: string}
  /** A cached copy. `isMarked`: the release says so itself. */
  | {
      readonly kind: 'copy'
      readonly image: string
      readonly release: string
      readonly staged: StagedImageRecord
      readonly isMarked: boolean
    }
  /** A cached copy, and nothing says what it is a copy of. */
  | {readonly kind: 'orphan'; readonly image: string; readonly release?: string}

export interface RunningEvidence {
  readonly release: Release | undefined
  readonly note: AppNote | undefined
  /** What this machine remembers of the image. */
  readonly remembered?: StagedImageRecord | undefined
  /** The cache, where it is known. */
  readonly registry?: RegistryHost | undefined
}

/** Decides what runs. Pure. */
export function whatRuns({release, note, remembered, registry}: RunningEvidence): Running {
  if (release === undefined) return {kind: 'nothing'}
  const {id, image} = release
  const caches = [registry, note?.staged && registryOf(note.staged.cached), release.staged && registryOf(release.staged.cached)]
  const named = id === '' ? {} : {release: id}
  const witness = [release.staged, note?.staged, remembered].find(
    (staged) => staged !== undefined && isSameImage(staged.cached, image) && !isCopyIn(caches, staged.source),
  )
  if (witness === undefined) return {kind: isCopyIn(caches, image) || isCopy(release, note, remembered) ? 'orphan' : 'own', image, ...named}
  if (id === '') return {kind: 'own', image: witness.source}
  return {kind: 'copy', image, release: id, staged: witness, isMarked: witness === release.staged}
}

/** The release that the app ran before the one it runs now; undefined when none is known. Pure. */
export function releaseBefore(current: string | undefined, note: AppNote | undefined): string | undefined {
  if (note === undefined) return undefined
  const {pending, release, previous} = note
  if (pending !== undefined && pending.to === current) return pending.previous
  // Another tool has moved it since: what was noted is what it ran before.
  if (release !== undefined && release !== current) return release
  return previous === current ? undefined : previous
}

/** Says whether the app is stopped since a move that was cut off has stopped it: its user has it running. Pure. */
export function isToBeStarted({isStopped, note}: PlatformApp): boolean {
  return isStopped === true && note?.pending?.wasStarted === true
}

export interface RunningDependencies {
  readonly platform: Pick<Platform, 'currentRelease'>
  /** What this machine remembers of a cached reference. */
  readonly findCopy: (image: string) => Promise<StagedImageRecord | undefined>
  /** The cache, by its name in references, where it is known. */
  readonly registry?: RegistryHost | undefined
}

/** Reads what an app runs. @throws {HoldfastError} what the platform throws */
export async function readRunning(app: PlatformApp, {platform, ...dependencies}: RunningDependencies): Promise<Running> {
  return await judgeRelease(app, await platform.currentRelease(app), dependencies)
}

/** Judges any release of an app as if it ran. */
export async function judgeRelease(
  {note}: PlatformApp,
  release: Release | undefined,
  {findCopy, registry}: Omit<RunningDependencies, 'platform'>,
): Promise<Running> {
  const running = whatRuns({release, note, registry})
  if (running.kind === 'nothing' || running.kind === 'copy' || !isNamedAsCopy(running.image)) return running
  return whatRuns({release, note, registry, remembered: await findCopy(running.image)})
}

/**
 * A cached copy is not a source: what would be cached is the cache.
 * @throws {HoldfastError} USAGE naming what it is a copy of, where that is known.
 */
export async function assertIsSource(
  app: PlatformApp,
  image: string,
  {findCopy}: Pick<RunningDependencies, 'findCopy'>,
  current: Running,
): Promise<void> {
  const {note} = app
  const known = [
    current.kind === 'copy' ? current.staged : undefined,
    note?.staged,
    isNamedAsCopy(image) ? await findCopy(image) : undefined,
  ]
  const staged = known.find((one) => one !== undefined && isSameRepository(one.cached, image))
  if (staged === undefined) return
  throw new HoldfastError('USAGE', `cannot stage app "${app.name}" with "${image}": it is a cached copy of "${staged.source}"`, {
    hints: [shellCommand`holdfast stage ${app.name} --image ${staged.source}`, shellCommand`holdfast rollback ${app.name}`],
  })
}

/** For an app that runs a copy of an image that is not known. */
export function unknownSource(verb: string, {name}: PlatformApp, image: string): HoldfastError {
  return new HoldfastError(
    'SOURCE_UNKNOWN',
    `cannot ${verb} app "${name}": it runs the cached copy "${image}", and nothing says what that is a copy of`,
    {
      hints: [
        `${shellCommand`holdfast stage ${name}`} --image IMAGE   # the image that is the app’s own`,
        shellCommand`holdfast app show ${name}`,
      ],
      details: {image},
    },
  )
}

/** The records that say that another image of the same repository is a copy. */
function isCopy({image, staged}: Release, note: AppNote | undefined, remembered: StagedImageRecord | undefined): boolean {
  return [staged, note?.staged, remembered].some((one) => one !== undefined && isSameRepository(one.cached, image))
}

/** A name that only caching gives, in a registry that is a cache. */
function isCopyIn(caches: readonly (RegistryHost | undefined)[], image: string): boolean {
  const reference = referenceOf(image)
  return reference !== undefined && isGuid(reference.repository) && caches.includes(reference.registry)
}

/** A name that only caching gives, in whatever registry. */
export function isNamedAsCopy(image: string): boolean {
  const reference = referenceOf(image)
  return reference !== undefined && isGuid(reference.repository)
}

/** Platforms write defaults out, or leave them away. */
function isSameImage(one: string, other: string): boolean {
  const [a, b] = [referenceOf(one), referenceOf(other)]
  return one === other || (a !== undefined && b !== undefined && formatReference(a) === formatReference(b))
}

function isSameRepository(one: string, other: string): boolean {
  const [a, b] = [referenceOf(one), referenceOf(other)]
  return a !== undefined && b !== undefined && a.registry === b.registry && a.repository === b.repository
}

function registryOf(image: string): RegistryHost | undefined {
  return referenceOf(image)?.registry
}

/** Undefined for text that is not a reference: it was written by others. */
export function referenceOf(image: string): Reference | undefined {
  try {
    return parseReference(image)
  } catch {
    return undefined
  }
}
