/**
 * The secrets that this process has sent or received, so that none of them is shown when a server repeats it. This is the one state of the whole process that is kept here
 * on purpose: an error does not know which request, of which client, its words come from.
 */

/** More than a run has; a server that runs for months forgets the oldest. */
const MAX_SECRETS = 1000
/** Shorter ones are no secrets, and would be found in every word. */
const MIN_SECRET_CHARACTERS = 3
/** From here on a secret is masked wherever it is found, and not only as a word of its own. */
const DISTINCT_CHARACTERS = 8
/** From here on the beginning of a secret is enough: servers cut what they repeat. */
const CUT_CHARACTERS = 16
const PREFIX_CHARACTERS = 12
const MASK = '***'
const NAMED_ENTITIES: Readonly<Record<string, string>> = {'&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos'}

interface KnownSecret {
  /** It cannot be a word of our own messages. */
  readonly isDistinct: boolean
  /** Made when something is first to be masked. */
  pattern: RegExp | undefined
}

/** Oldest first. */
const known = new Map<string, KnownSecret>()

/** Remembers secrets, so that `maskSecrets` finds them in the encodings of docs/errors.md; their base64 forms are secrets as well. */
export function rememberSecrets(...secrets: readonly string[]): void {
  // Every request shows the same ones again.
  for (const secret of secrets.filter((one) => !known.has(one)).flatMap(formsOf)) {
    if (secret.length < MIN_SECRET_CHARACTERS || known.has(secret)) continue
    known.set(secret, {isDistinct: isDistinct(secret), pattern: undefined})
  }
  for (const oldest of known.keys()) {
    if (known.size <= MAX_SECRETS) break
    known.delete(oldest)
  }
}

/** Text from elsewhere with `***` for every secret in it. */
export function maskSecrets(text: string): string {
  return mask(text, false)
}

/** Text of our own with `***` for every secret in it that cannot be one of our words: a password may be "registry". */
export function maskDistinctSecrets(text: string): string {
  return mask(text, true)
}

function mask(text: string, onlyDistinct: boolean): string {
  let masked = text
  // The longest first: a password may be part of the pair it is in.
  for (const [secret, entry] of [...known].sort(([one], [other]) => other.length - one.length)) {
    if (onlyDistinct && !entry.isDistinct) continue
    entry.pattern ??= patternOf(secret, entry.isDistinct)
    masked = masked.replace(entry.pattern, MASK)
  }
  return masked
}

/** A token of several parts says as much by each of them. */
function formsOf(secret: string): readonly string[] {
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '')
  const parts = secret.split('.').filter((part) => part.length >= CUT_CHARACTERS && part !== secret)
  return [secret, ...parts, base64, base64.replaceAll('+', '-').replaceAll('/', '_')]
}

function isDistinct(secret: string): boolean {
  return secret.length >= DISTINCT_CHARACTERS && /[^a-z]/.test(secret)
}

function patternOf(secret: string, isDistinctSecret: boolean): RegExp {
  const characters = [...secret].map(alternatives)
  // Padding of base64 belongs to it.
  const padding = '(?:=|%3[dD])*'
  if (secret.length >= CUT_CHARACTERS) {
    const prefix = characters.slice(0, PREFIX_CHARACTERS).join('')
    const rest = `(?:${characters.slice(PREFIX_CHARACTERS).join('')}|[A-Za-z0-9+/_.~%-]*)${padding}`
    const bytes = [...Buffer.from(secret)].slice(0, PREFIX_CHARACTERS)
    return new RegExp(`${BYTE_FORMS.map((form) => `${form.of(bytes)}(?:${form.more})*`).join('|')}|${prefix}${rest}`, 'g')
  }
  const bytes = [...Buffer.from(secret)]
  const whole = `(?:${BYTE_FORMS.map((form) => form.of(bytes)).join('|')}|${characters.join('')}${padding})`
  return isDistinctSecret ? new RegExp(whole, 'g') : new RegExp(`(?<![A-Za-z0-9])${whole}(?![A-Za-z0-9])`, 'g')
}

// Bounds: a server that answers a hundred thousand backslashes must not keep us busy.
/** Backslashes of an escape: more of them where a text was escaped several times. */
const ESCAPE = '\\\\{1,8}'
const PERCENT = '%(?:25){0,8}'
/** A dump may have something between its bytes. */
const SEPARATOR = '[: -]?'
const HEX_BYTE = '[0-9A-Fa-f]{2}'

/** All bytes written in one way, letters and digits too: `of` the bytes known, and what goes on from there. */
const BYTE_FORMS: readonly {readonly of: (bytes: readonly number[]) => string; readonly more: string}[] = [
  {of: (bytes) => bytes.map(hexByte).join(SEPARATOR), more: `${SEPARATOR}${HEX_BYTE}`},
  ...[`${ESCAPE}x`, PERCENT].map((mark) => ({
    of: (bytes: readonly number[]) => bytes.map((byte) => `${mark}${hexByte(byte)}`).join(''),
    more: `${mark}${HEX_BYTE}`,
  })),
]

/** A character as it is, percent-encoded once or several times, escaped as in JSON, C, Go, Python and HTML, and where its UTF-8 was read as Latin-1 or Windows-1252. */
function alternatives(character: string): string {
  // Escaped with all the others, or not at all.
  if (/^[A-Za-z0-9_-]$/.test(character)) return character
  if (character === '.') return '\\.'
  const bytes = [...Buffer.from(character)]
  const named = NAMED_ENTITIES[character]
  const misread = bytes.length === 1 ? [] : [Buffer.from(bytes).toString('latin1'), WINDOWS_1252.decode(Buffer.from(bytes))]
  return `(?:${[
    ...BYTE_FORMS.slice(1).map((form) => form.of(bytes)),
    bytes.map((byte) => `${ESCAPE}${byte.toString(8).padStart(3, '0')}`).join(''),
    ...[character, ...misread].map((text) => [...text].map(writtenAs).join('')),
    ...(named === undefined ? [] : [`&${named};`]),
    ...(character === ' ' ? ['\\+'] : []),
  ].join('|')})`
}

const WINDOWS_1252 = new TextDecoder('windows-1252')

/** A character as it is, or by its number. */
function writtenAs(character: string): string {
  const units = Array.from({length: character.length}, (_, index) => character.charCodeAt(index).toString(16).padStart(4, '0'))
  const code = character.codePointAt(0) ?? 0
  const hex = anyCase(code.toString(16))
  return `(?:${[
    `\\\\{0,8}${character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')}`,
    units.map((unit) => `${ESCAPE}u${anyCase(unit)}`).join(''),
    `${ESCAPE}u\\{${hex}\\}`,
    `&#0{0,8}${code};`,
    `&#[xX]0{0,8}${hex};`,
  ].join('|')})`
}

function hexByte(byte: number): string {
  return anyCase(byte.toString(16).padStart(2, '0'))
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}
