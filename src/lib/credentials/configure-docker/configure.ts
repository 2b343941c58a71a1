/**
 * Makes docker or podman ask `docker-credential-holdfast` for the credentials of chosen registries, and takes that back.
 * Only entries of `credHelpers` are changed; every other byte of the file stays.
 */
import {DOCKER_HUB, type RegistryHost} from '../../oci/reference.ts'
import {type CredHelpers, dropEmptyCredHelpers, type EditedText, editCredHelper, parseCredHelpers} from './cred-helpers.ts'
import {digestText, type Journal, type RecordedChange} from './journal.ts'
import {applyPatch, reversePatch} from './json-members.ts'
import {readTextFile, removeTextFile, replaceTextFile, type TextFile} from './text-file.ts'

/** The helper's name in `credHelpers`: the program is `docker-credential-holdfast`. */
const HELPER_NAME = 'holdfast'
/** What an absent or empty file is taken for, and how docker and podman write it. */
const EMPTY_CONFIGURATION = '{}\n'
/** What docker calls docker.io; podman says `docker.io`. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'

/** Whose file it is: they differ in what they call docker.io. */
export type ConfiguredTool = 'docker' | 'podman'

/** One entry of `credHelpers` before and after; absent for none. */
export interface HelperChange {
  /** As the file calls the registry. */
  readonly registry: string
  readonly from?: string
  readonly to?: string
}

/** A change that is not made yet. */
export interface PlannedChange {
  /** Behind all symbolic links. */
  readonly path: string
  /** Empty when there is nothing to do. */
  readonly changes: readonly HelperChange[]
  /**
   * Makes the change.
   * @throws {HoldfastError} CONFLICT when the file was changed since it was read; STORAGE.
   */
  apply(): Promise<void>
}

export interface ConfigureRequest {
  readonly file: string
  readonly tool: ConfiguredTool
  readonly registries: readonly RegistryHost[]
}

/**
 * Plans to name our helper for the registries.
 * @throws {HoldfastError} CONFIGURATION when the file is malformed.
 */
export async function planConfiguration({file, tool, registries}: ConfigureRequest, journal: Journal): Promise<PlannedChange> {
  const read = await readTextFile(file)
  const start = startOf(read)
  const before = parseCredHelpers(start.text, read.path)
  const keys = registries.map((registry) => keyOf(registry, tool)).filter((key) => before[key] !== HELPER_NAME)
  const edited = keys.reduce<EditedText>((text, key) => editCredHelper(text, key, HELPER_NAME), start)
  return {
    path: read.path,
    changes: differences(before, parseCredHelpers(edited.text, read.path)),
    async apply() {
      if (keys.length === 0) return
      const known = await journal.read()
      // Recorded first: a change without its record could not be taken back; a record without its change is passed over.
      await journal.write([...known, record(read, edited, before, keys)])
      await replaceTextFile(read, edited.text)
    },
  }
}

/**
 * Plans to take our entries out again: of these registries, or of all. A file that is as we left it gets every byte back that it had, and is removed when it was not
 * there; in one that was changed since, the entries get the helpers they had before.
 * @throws {HoldfastError} CONFIGURATION when the file or the journal is malformed.
 */
export async function planUndo({file, tool, registries}: ConfigureRequest, journal: Journal): Promise<PlannedChange> {
  const read = await readTextFile(file)
  const known = await journal.read()
  const {text} = read
  if (text === undefined) return {path: read.path, changes: [], apply: async () => {}}
  const own = known.filter(({path}) => path === read.path)
  const before = helpersOf(text, read.path)
  const wanted = registries.map((registry) => keyOf(registry, tool))
  const isWanted = (key: string): boolean => wanted.length === 0 || wanted.includes(key)
  const {restored, left} = rewind(text, own, isWanted)
  const after = restored === undefined || isBlank(restored) ? restored : takeOut(restored, left, isWanted, read.path)
  const changes = differences(before, helpersOf(after, read.path))
  return {
    path: read.path,
    changes,
    async apply() {
      if (after === undefined) await removeTextFile(read)
      else if (after !== text) await replaceTextFile(read, after)
      await journal.write([...known.filter(({path}) => path !== read.path), ...remaining(left, isWanted)])
    },
  }
}

/** Takes back, newest first, the changes that left the text as it is; an undefined text is an absent file. */
function rewind(
  text: string,
  own: readonly RecordedChange[],
  isWanted: (key: string) => boolean,
): {readonly restored: string | undefined; readonly left: readonly RecordedChange[]} {
  const left = [...own]
  let restored = text
  for (let index = left.length - 1; index >= 0; index--) {
    const change = left[index]
    // One that was recorded and never made, since the process died in between, matches nothing.
    if (change === undefined || change.sha256 !== digestText(restored)) continue
    if (!Object.keys(change.previous).every(isWanted)) break
    left.splice(index)
    if (change.wasAbsent) return {restored: undefined, left}
    restored = change.patches.map(reversePatch).reduceRight(applyPatch, restored)
  }
  return {restored, left}
}

/** Takes out what `rewind` could not. */
function takeOut(text: string, left: readonly RecordedChange[], isWanted: (key: string) => boolean, path: string): string {
  const helpers = parseCredHelpers(text, path)
  const keys = Object.keys(helpers).filter((key) => helpers[key] === HELPER_NAME && isWanted(key))
  const edited = keys.reduce<EditedText>((current, key) => editCredHelper(current, key, previousHelper(left, key)), {text, patches: []})
  return left.some(({addedMember}) => addedMember) ? dropEmptyCredHelpers(edited).text : edited.text
}

function previousHelper(left: readonly RecordedChange[], key: string): string | undefined {
  return left.find(({previous}) => key in previous)?.previous[key] ?? undefined
}

/** What of the recorded changes is still there after the wanted entries were taken out; who put `credHelpers` in does not matter, that somebody did does. */
function remaining(left: readonly RecordedChange[], isWanted: (key: string) => boolean): readonly RecordedChange[] {
  const addedMember = left.some((change) => change.addedMember)
  return left.flatMap((change) => without({...change, addedMember}, isWanted))
}

function without(change: RecordedChange, isWanted: (key: string) => boolean): readonly RecordedChange[] {
  const previous = Object.fromEntries(Object.entries(change.previous).filter(([key]) => !isWanted(key)))
  return Object.keys(previous).length === 0 ? [] : [{...change, previous}]
}

function record({path, text}: TextFile, edited: EditedText, before: CredHelpers, keys: readonly string[]): RecordedChange {
  return {
    path,
    sha256: digestText(edited.text),
    wasAbsent: text === undefined,
    addedMember: Object.keys(before).length === 0,
    previous: Object.fromEntries(keys.map((key) => [key, before[key] ?? null])),
    patches: edited.patches,
  }
}

function startOf({text}: TextFile): EditedText {
  if (text !== undefined && !isBlank(text)) return {text, patches: []}
  return {text: EMPTY_CONFIGURATION, patches: [{offset: 0, removed: text ?? '', inserted: EMPTY_CONFIGURATION}]}
}

/** Docker and podman read a blank file as one without entries. */
function isBlank(text: string): boolean {
  return text.trim() === ''
}

function helpersOf(text: string | undefined, path: string): CredHelpers {
  return text === undefined || isBlank(text) ? {} : parseCredHelpers(text, path)
}

function keyOf(registry: RegistryHost, tool: ConfiguredTool): string {
  return tool === 'docker' && registry === DOCKER_HUB ? DOCKER_HUB_KEY : registry
}

function differences(before: CredHelpers, after: CredHelpers): readonly HelperChange[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((registry) => before[registry] !== after[registry])
    .map((registry) => {
      const [from, to] = [before[registry], after[registry]]
      return {registry, ...(from === undefined ? {} : {from}), ...(to === undefined ? {} : {to})}
    })
}
