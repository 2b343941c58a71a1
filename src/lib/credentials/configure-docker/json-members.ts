/**
 * JSON as text: where the members of an object stand, and changes of single members that leave every other character as it is (RFC 8259).
 * All functions take text that `JSON.parse` accepts.
 */

/** One member; positions count UTF-16 code units. */
export interface JsonMember {
  readonly name: string
  /** The opening quote of the name. */
  readonly start: number
  readonly valueStart: number
  /** Behind the value. */
  readonly end: number
}

export interface JsonObject {
  /** The opening brace. */
  readonly open: number
  /** The closing brace. */
  readonly close: number
  readonly members: readonly JsonMember[]
}

/** One change of a text; `inserted` stands at `offset` afterwards, where `removed` stood before. */
export interface TextPatch {
  readonly offset: number
  readonly removed: string
  readonly inserted: string
}

/** Locates the members of the object that begins at or after `from`. */
export function locateObject(text: string, from = 0): JsonObject {
  const open = skipSpace(text, from)
  const members: JsonMember[] = []
  let position = skipSpace(text, open + 1)
  while (text[position] === '"') {
    const nameEnd = skipString(text, position)
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, valueStart)
    members.push({name: String(JSON.parse(text.slice(position, nameEnd))), start: position, valueStart, end})
    const next = skipSpace(text, end)
    position = text[next] === ',' ? skipSpace(text, next + 1) : next
  }
  return {open, close: position, members}
}

/** Adds a member behind the last one, spaced as the others are. `value` is JSON; its own lines are the caller's. */
export function addMember(text: string, object: JsonObject, name: string, value: string): TextPatch {
  const {members, open, close} = object
  const last = members.at(-1)
  const member = `${JSON.stringify(name)}${colon(text, object)}${value}`
  if (last !== undefined) return {offset: last.end, removed: '', inserted: `,${memberSpace(text, object)}${member}`}
  const removed = text.slice(open + 1, close)
  const space = memberSpace(text, object)
  const closing = space.includes('\n') ? `${lineEnd(text)}${indentOfLine(text, open)}` : ''
  return {offset: open + 1, removed, inserted: `${space}${member}${closing}`}
}

/** Puts another value in the place of a member's. */
export function replaceValue(text: string, member: JsonMember, value: string): TextPatch {
  return {offset: member.valueStart, removed: text.slice(member.valueStart, member.end), inserted: value}
}

/** Takes a member away, with the comma and the space that `addMember` would have put there. */
export function removeMember(text: string, object: JsonObject, name: string): TextPatch {
  const {members, open, close} = object
  const position = members.findIndex((member) => member.name === name)
  const [previous, member, next] = [members[position - 1], members[position], members[position + 1]]
  if (member === undefined) return {offset: open, removed: '', inserted: ''}
  const [from, to] =
    previous !== undefined ? [previous.end, member.end] : next !== undefined ? [member.start, next.start] : [open + 1, close]
  return {offset: from, removed: text.slice(from, to), inserted: ''}
}

/** The space before a new member of an object: as before its last one; on a line of its own in an empty one. */
export function memberSpace(text: string, {open, members}: JsonObject): string {
  const [last, previous] = [members.at(-1), members.at(-2)]
  if (last === undefined) {
    const outer = indentOfLine(text, open)
    return isOneLine(text) ? '' : `${lineEnd(text)}${outer}${indentUnit(text)}`
  }
  const from = previous === undefined ? open + 1 : text.indexOf(',', previous.end) + 1
  return text.slice(from, last.start)
}

export function applyPatch(text: string, {offset, removed, inserted}: TextPatch): string {
  return text.slice(0, offset) + inserted + text.slice(offset + removed.length)
}

/** The change that takes a change back. */
export function reversePatch({offset, removed, inserted}: TextPatch): TextPatch {
  return {offset, removed: inserted, inserted: removed}
}

/** What stands between a name and its value. */
function colon(text: string, {members}: JsonObject): string {
  const [sample] = members.length > 0 ? members : locateObject(text).members
  return sample === undefined ? ': ' : text.slice(skipString(text, sample.start), sample.valueStart)
}

function lineEnd(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n'
}

/** Written without line breaks although it has something to break. */
function isOneLine(text: string): boolean {
  const {open, members} = locateObject(text)
  const [first] = members
  return first !== undefined && !text.slice(open, first.start).includes('\n')
}

/** One step to the right: that of the first member, else docker's and podman's tab. */
function indentUnit(text: string): string {
  const [first] = locateObject(text).members
  return first === undefined ? '\t' : indentOfLine(text, first.start)
}

/** The space at the beginning of the line that has this position. */
function indentOfLine(text: string, position: number): string {
  const begin = text.lastIndexOf('\n', position) + 1
  return /^[ \t]*/.exec(text.slice(begin, position))?.[0] ?? ''
}

function skipSpace(text: string, from: number): number {
  let position = from
  while (' \t\r\n'.includes(text[position] ?? '.')) position++
  return position
}

function skipString(text: string, from: number): number {
  let position = from + 1
  while (text[position] !== '"') position += text[position] === '\\' ? 2 : 1
  return position + 1
}

function skipValue(text: string, from: number): number {
  let depth = 0
  let position = from
  do {
    const character = text[position] ?? ''
    if (character === '"') position = skipString(text, position)
    else if ('{['.includes(character)) {
      depth++
      position++
    } else if ('}]'.includes(character)) {
      depth--
      position++
    } else if (depth === 0) return skipLiteral(text, position)
    else position++
  } while (depth > 0)
  return position
}

/** Numbers, `true`, `false`, `null`. */
function skipLiteral(text: string, from: number): number {
  let position = from
  while (/[^\s,}\]]/.test(text[position] ?? ',')) position++
  return position
}
