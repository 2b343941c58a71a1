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

/** Remembers secrets, so that `maskSecrets` finds them, whatever encoding they come in; their base64 forms are secrets as well. */
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
    return new RegExp(`${prefix}(?:${characters.slice(PREFIX_CHARACTERS).join('')}|[A-Za-z0-9+/_.~%-]*)${padding}`, 'g')
  }
  const whole = `${characters.join('')}${padding}`
  return isDistinctSecret ? new RegExp(whole, 'g') : new RegExp(`(?<![A-Za-z0-9])${whole}(?![A-Za-z0-9])`, 'g')
}

/** A character as it is, percent-encoded once or several times, escaped as in JSON, and as in HTML. */
function alternatives(character: string): string {
  if (/^[A-Za-z0-9]$/.test(character)) return character
  const percent = [...Buffer.from(character)].map((byte) => `%(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`).join('')
  const units = Array.from({length: character.length}, (_, index) => character.charCodeAt(index).toString(16).padStart(4, '0'))
  const escaped = units.map((unit) => `\\\\+u${anyCase(unit)}`).join('')
  const code = character.codePointAt(0) ?? 0
  const named = NAMED_ENTITIES[character]
  return `(?:${[
    `\\\\*${character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')}`,
    percent,
    escaped,
    `&#0*${code};`,
    `&#[xX]0*${anyCase(code.toString(16))};`,
    ...(named === undefined ? [] : [`&${named};`]),
    ...(character === ' ' ? ['\\+'] : []),
  ].join('|')})`
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}
