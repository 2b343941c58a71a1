/** The `credHelpers` of a configuration file of docker or podman: which program keeps the credentials of a registry. Text in, text out. */
import {HoldfastError} from '../../core/errors.ts'
import {
  addMember,
  applyPatch,
  type JsonObject,
  locateObject,
  memberSpace,
  removeMember,
  replaceValue,
  type TextPatch,
} from './json-members.ts'

const MEMBER = 'credHelpers'

/** A text and the changes that led to it, in their order. */
export interface EditedText {
  readonly text: string
  readonly patches: readonly TextPatch[]
}

/** By registry, as the file calls it: the name of a helper. */
export type CredHelpers = Readonly<Record<string, string>>

/**
 * Reads the `credHelpers` of a file's text.
 * @throws {HoldfastError} CONFIGURATION when the text is not such a file's: nothing is changed in what we do not understand. The text is never quoted.
 */
export function parseCredHelpers(text: string, path: string): CredHelpers {
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch {
    throw malformed(path, 'it is not JSON')
  }
  if (!isObject(root)) throw malformed(path, 'it is not a JSON object')
  if (locateObject(text).members.filter(({name}) => name === MEMBER).length > 1) throw malformed(path, `it has "${MEMBER}" twice`)
  const helpers = root[MEMBER] ?? {}
  if (!isObject(helpers)) throw malformed(path, `its "${MEMBER}" is not an object`)
  const entries = Object.entries(helpers)
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw malformed(path, `a value of its "${MEMBER}" is not a string`)
  }
  if (entries.length !== (locate(text).helpers?.members.length ?? 0)) throw malformed(path, `its "${MEMBER}" names a registry twice`)
  return Object.fromEntries(entries)
}

/** Sets the helper of a registry; undefined takes it away. */
export function editCredHelper(edited: EditedText, key: string, helper: string | undefined): EditedText {
  const patch = helper === undefined ? removal(edited.text, key) : setting(edited.text, key, helper)
  return patch === undefined ? edited : {text: applyPatch(edited.text, patch), patches: [...edited.patches, patch]}
}

/** Takes an empty `credHelpers` away. */
export function dropEmptyCredHelpers(edited: EditedText): EditedText {
  const {root, helpers} = locate(edited.text)
  if (helpers === undefined || helpers.members.length > 0) return edited
  const patch = removeMember(edited.text, root, MEMBER)
  return {text: applyPatch(edited.text, patch), patches: [...edited.patches, patch]}
}

function setting(text: string, key: string, helper: string): TextPatch | undefined {
  const {root, helpers, member} = locate(text)
  const value = JSON.stringify(helper)
  if (helpers !== undefined) {
    const existing = helpers.members.find(({name}) => name === key)
    return existing === undefined ? addMember(text, helpers, key, value) : replaceValue(text, existing, value)
  }
  const object = newObject(memberSpace(text, root), key, value)
  return member === undefined ? addMember(text, root, MEMBER, object) : replaceValue(text, member, object)
}

function removal(text: string, key: string): TextPatch | undefined {
  const {helpers} = locate(text)
  return helpers?.members.some(({name}) => name === key) ? removeMember(text, helpers, key) : undefined
}

/** An object of one member, on lines of its own where the members around it are; `space` stands before it. */
function newObject(space: string, key: string, value: string): string {
  const isOneLine = !space.includes('\n')
  const member = `${JSON.stringify(key)}:${isOneLine ? '' : ' '}${value}`
  const indent = space.slice(space.lastIndexOf('\n') + 1)
  return isOneLine ? `{${member}}` : `{${space}${indent}${member}${space}}`
}

/** Undefined `helpers`: there is none, or it is null. */
function locate(text: string) {
  const root = locateObject(text)
  const member = root.members.find(({name}) => name === MEMBER)
  const helpers: JsonObject | undefined =
    member !== undefined && text[member.valueStart] === '{' ? locateObject(text, member.valueStart) : undefined
  return {root, member, helpers}
}

function malformed(path: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot change "${path}": ${reason}`, {
    hints: [`jq . "${path}" >/dev/null`],
    details: {path},
  })
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
