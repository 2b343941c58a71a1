/** What Holdfast writes on the packages, droplets and apps of Cloud Foundry: one name for one fact, whatever it stands on. Written by others too, so nothing of it is trusted. */
import type {StagedImageRecord} from '../records/store.ts'
import type {AppNote} from './platform.ts'

const STAGED = {
  source: 'holdfast-source',
  sourceDigest: 'holdfast-source-digest',
  cached: 'holdfast-cached',
  stagedAt: 'holdfast-staged-at',
} as const

/** The annotations of an app. */
export const APP_NOTE = {
  ...STAGED,
  release: 'holdfast-release',
  previous: 'holdfast-previous',
  pendingTo: 'holdfast-pending-release',
  pendingPrevious: 'holdfast-pending-previous',
  pendingStarted: 'holdfast-pending-started',
} as const

type Annotations = Readonly<Record<string, string>>
/** What a release is a copy of; undefined when it says nothing, or not everything. */
export function readCopy(annotations: Annotations): StagedImageRecord | undefined {
  const {source, sourceDigest, cached, stagedAt} = STAGED
  const [a, b, c, d] = [annotations[source], annotations[sourceDigest], annotations[cached], annotations[stagedAt]]
  return a === undefined || b === undefined || c === undefined || d === undefined
    ? undefined
    : {source: a, sourceDigest: b, cached: c, stagedAt: d}
}

/** None for what is not a copy. */
export function writeCopy(staged: StagedImageRecord | undefined): Annotations {
  if (staged === undefined) return {}
  return {
    [STAGED.source]: staged.source,
    [STAGED.sourceDigest]: staged.sourceDigest,
    [STAGED.cached]: staged.cached,
    [STAGED.stagedAt]: staged.stagedAt,
  }
}

/** Undefined when there is nothing of ours. */
export function readAppNote(annotations: Annotations): AppNote | undefined {
  const staged = readCopy(annotations)
  const [release, previous, to, before] = [
    annotations[APP_NOTE.release],
    annotations[APP_NOTE.previous],
    annotations[APP_NOTE.pendingTo],
    annotations[APP_NOTE.pendingPrevious],
  ]
  const wasStarted = annotations[APP_NOTE.pendingStarted] === 'true'
  const note: AppNote = {
    ...(staged === undefined ? {} : {staged}),
    ...(release === undefined ? {} : {release}),
    ...(previous === undefined ? {} : {previous}),
    ...(to === undefined
      ? {}
      : {pending: {to, ...(before === undefined ? {} : {previous: before}), ...(wasStarted ? {wasStarted: true as const} : {})}}),
  }
  return Object.keys(note).length === 0 ? undefined : note
}

/** Every annotation of an app; null takes one away. */
export function writeAppNote(note: AppNote | undefined): Readonly<Record<string, string | null>> {
  const {staged, release, previous, pending} = note ?? {}
  const values = {
    ...staged,
    release,
    previous,
    pendingTo: pending?.to,
    pendingPrevious: pending?.previous,
    pendingStarted: pending?.wasStarted === true ? 'true' : undefined,
  }
  return Object.fromEntries(Object.entries(APP_NOTE).map(([field, name]) => [name, values[field as keyof typeof APP_NOTE] ?? null]))
}
